//! `WasiConfig`: what a WASI program may see of its host.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::capture::{Capture, Captured};
use super::descriptors::{Descriptors, Perms};
use super::network::{self, Network};
use super::owner::{Slot, StreamOwner};
use super::quota::{DiskQuota, Metered, Quota};
use super::sink::Sink;
use super::source::{self, Source};
use super::stdio::Streams;
use super::{Built, Wasi, parse};
use crate::errors::{Misuse, expected};
use crate::managed::{Managed, managed};
use crate::numbers;

/// Where standard input comes from, as it was set.
#[derive(Default)]
enum Stdin {
    #[default]
    Empty,
    Inherit,
    File(Arc<File>, Py<PyAny>),
    Bytes(Bytes),
    Reader(Py<PyAny>, &'static str),
}

/// Where an output goes, as it was set.
#[derive(Default)]
enum Stdout {
    #[default]
    Null,
    Inherit,
    File(Arc<File>, Py<PyAny>),
    Capture(Arc<Captured>),
    Callback(Py<PyAny>),
    Writer(Py<PyAny>),
}

#[derive(Clone, Copy)]
enum Which {
    Stdout,
    Stderr,
}

struct Preopen {
    host: PathBuf,
    guest: String,
    perms: Perms,
    quota: Option<Arc<Quota>>,
}

#[derive(Default)]
pub(super) struct State {
    argv: Vec<String>,
    /// The process's environment, if it is inherited.
    inherited_env: Vec<(String, String)>,
    env: Vec<(String, String)>,
    stdin: Stdin,
    stdout: Stdout,
    stderr: Stdout,
    preopens: Vec<Preopen>,
    pub(super) network: network::Settings,
}

impl State {
    /// The environment that the guest sees: what was set explicitly replaces what is inherited.
    fn environment(&self) -> Vec<(String, String)> {
        let mut variables = self.inherited_env.clone();
        for (name, value) in &self.env {
            parse::set(&mut variables, name.clone(), value.clone());
        }
        variables
    }

    fn output(&mut self, which: Which) -> &mut Stdout {
        match which {
            Which::Stdout => &mut self.stdout,
            Which::Stderr => &mut self.stderr,
        }
    }

    /// The state for one store, or the preopened directory that cannot be opened (any more).
    fn assemble(&self, py: Python<'_>) -> Result<Wasi, (PathBuf, io::Error)> {
        let mut slots = Vec::new();
        let mut own = |object: &Py<PyAny>| {
            let slot = Slot::new(object.clone_ref(py));
            slots.push(slot.clone());
            slot
        };
        let stdin = match &self.stdin {
            Stdin::Empty => Source::Empty,
            Stdin::Inherit => Source::Inherit,
            Stdin::File(file, _) => Source::File(file.clone()),
            Stdin::Bytes(bytes) => Source::Bytes(Mutex::new(bytes.clone())),
            Stdin::Reader(object, method) => Source::Reader(own(object), method),
        };
        let mut sink = |output: &Stdout, inherit: Sink| match output {
            Stdout::Null => Sink::Null,
            Stdout::Inherit => inherit,
            Stdout::File(file, _) => Sink::File(file.clone()),
            Stdout::Capture(captured) => Sink::Capture(captured.clone()),
            Stdout::Callback(object) => Sink::Callback(own(object)),
            Stdout::Writer(object) => Sink::Writer(own(object)),
        };
        let stdout = Arc::new(sink(&self.stdout, Sink::InheritStdout));
        let stderr = Arc::new(sink(&self.stderr, Sink::InheritStderr));
        let streams = Streams { stdin: Arc::new(stdin), stdout, stderr };
        let network = self.network.assemble(&mut own);
        let context = self.context(&streams, &network, |perms| Some(perms.widened()))?;
        let uniform = self.preopens.iter().all(|preopen| preopen.perms.is_uniform());
        let narrowed = if uniform { None } else { Some(self.context(&streams, &network, Perms::narrowed)?) };
        let descriptors = Descriptors::new(self.preopens.iter().map(|preopen| (preopen.perms, preopen.quota.clone())));
        // Components get the narrowed context if there is one, which lacks some of the directories.
        let seen = self.preopens.iter().filter(|preopen| uniform || preopen.perms.narrowed().is_some());
        let metered = Metered { preopens: seen.map(|preopen| preopen.quota.clone()).collect(), ..Metered::default() };
        let standard = HashMap::new();
        Ok(Wasi { context, narrowed, streams, descriptors, standard, metered, network, slots })
    }

    /// A context of the engine, whose preopened directories have the permissions that `perms` makes of theirs.
    fn context(
        &self,
        streams: &Streams,
        network: &Network,
        perms: impl Fn(Perms) -> Option<FsPerms>,
    ) -> Result<WasiP1Ctx, (PathBuf, io::Error)> {
        let mut builder = WasiCtxBuilder::new();
        // File operations on the caller's thread: no threads of the engine's, which a forked child would miss.
        builder.allow_blocking_current_thread(true);
        builder.args(&self.argv).envs(&self.environment());
        streams.give_to(&mut builder);
        network.configure(&mut builder);
        for preopen in &self.preopens {
            let Some(perms) = perms(preopen.perms) else { continue };
            if let Err(error) = builder.preopened_dir(&preopen.host, &preopen.guest, perms) {
                let error = error.downcast().unwrap_or_else(|error| io::Error::other(error.to_string()));
                return Err((preopen.host.clone(), error));
            }
        }
        Ok(builder.build_p1())
    }

    fn objects(&self) -> impl Iterator<Item = &Py<PyAny>> {
        let stdin = match &self.stdin {
            Stdin::File(_, object) | Stdin::Reader(object, _) => Some(object),
            Stdin::Empty | Stdin::Inherit | Stdin::Bytes(_) => None,
        };
        let outputs = [&self.stdout, &self.stderr].into_iter().filter_map(|output| match output {
            Stdout::File(_, object) | Stdout::Callback(object) | Stdout::Writer(object) => Some(object),
            Stdout::Null | Stdout::Inherit | Stdout::Capture(_) => None,
        });
        stdin.into_iter().chain(outputs).chain(self.network.objects())
    }
}

/// What a WASI program gets from its host: arguments, environment, standard streams, directories and network. By
/// default, nothing.
///
/// Everything can be set by attribute or, except for directories and the network, by keyword argument. A configuration given to
/// `Store.set_wasi` is copied and can be changed and used again. Files, file-like objects and callables are shared by
/// all stores that got them; `stdin_bytes` starts anew in each store.
#[pyclass(frozen, subclass, weakref, module = "ferrowasm")]
pub(crate) struct WasiConfig {
    state: Managed<Mutex<State>>,
}

impl WasiConfig {
    pub(super) fn lock(&self) -> Result<MutexGuard<'_, State>, Misuse> {
        Ok(self.state.get()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state. What `change` returns, the previous value, is dropped when the state is no longer locked:
    /// finalisers may use the configuration.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> PyResult<()> {
        let previous = change(&mut *self.lock()?);
        drop(previous);
        Ok(())
    }

    fn replace_stdin(&self, stdin: Stdin) -> PyResult<()> {
        self.change(|state| std::mem::replace(&mut state.stdin, stdin))
    }

    fn replace_output(&self, which: Which, output: Stdout) -> PyResult<()> {
        self.change(|state| std::mem::replace(state.output(which), output))
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.state.close();
        self.clear();
        Ok(())
    }

    fn clear(&self) {
        if let Some(state) = self.state.peek() {
            let previous = std::mem::take(&mut *state.lock().unwrap_or_else(PoisonError::into_inner));
            drop(previous);
        }
    }

    fn set_file(&self, which: Which, path: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let output = match path {
            Some(path) => {
                let file =
                    parse::open(path, |path| OpenOptions::new().write(true).create(true).truncate(true).open(path))?;
                Stdout::File(Arc::new(file), path.clone().unbind())
            }
            None => Stdout::Null,
        };
        self.replace_output(which, output)
    }

    fn set_callback(&self, which: Which, callback: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let output = match callback {
            // As in wasmtime-py, what is not callable is noticed when the program writes.
            Some(callback) => Stdout::Callback(callback.clone().unbind()),
            None => Stdout::Null,
        };
        self.replace_output(which, output)
    }

    fn set_writer(&self, which: Which, writer: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let output = match writer {
            Some(writer) => {
                parse::require_writer(writer, which.name())?;
                Stdout::Writer(writer.clone().unbind())
            }
            None => Stdout::Null,
        };
        self.replace_output(which, output)
    }

    fn set_capture(&self, which: Which, limit: Option<&Bound<'_, PyAny>>, strict: bool) -> PyResult<Capture> {
        let limit = match limit {
            Some(limit) => numbers::unsigned(limit, "limit", usize::MAX as u64 - 1)? as usize,
            None => usize::MAX,
        };
        let captured = Arc::new(Captured::new(limit, strict));
        self.replace_output(which, Stdout::Capture(captured.clone()))?;
        Ok(Capture { captured })
    }

    /// What `get` finds in the present destination of an output.
    fn get_output(
        &self,
        py: Python<'_>,
        which: Which,
        get: impl FnOnce(&Stdout) -> Option<&Py<PyAny>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        Ok(get(self.lock()?.output(which)).map(|object| object.clone_ref(py)))
    }

    /// The state for one store.
    pub(crate) fn build(&self, py: Python<'_>) -> PyResult<Built> {
        let assembled = self.lock()?.assemble(py);
        // No longer locked: what follows allocates, so that Python's collector may run finalisers, which may use the
        // configuration.
        let wasi = match assembled {
            Ok(wasi) => wasi,
            Err((path, error)) => return Err(parse::file_error(py, &error, path.into_pyobject(py)?.as_any())),
        };
        let owners = wasi.slots.iter().map(|slot| Py::new(py, StreamOwner::new(slot))).collect::<PyResult<_>>()?;
        Ok(Built { wasi, owners })
    }
}

impl Which {
    fn name(self) -> &'static str {
        match self {
            Which::Stdout => "stdout",
            Which::Stderr => "stderr",
        }
    }
}

/// Refuses more than one destination for a stream among the keyword arguments.
fn at_most_one(stream: &str, given: &[bool]) -> PyResult<()> {
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(PyTypeError::new_err(format!(
            "more than one {stream} was given: choose one of the arguments that set it"
        )));
    }
    Ok(())
}

#[pymethods]
impl WasiConfig {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(*, argv=None, env=None, \
        stdin=None, stdin_bytes=None, stdin_file=None, stdout=None, stdout_file=None, stdout_custom=None, \
        stderr=None, stderr_file=None, stderr_custom=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> WasiConfig {
        WasiConfig { state: Managed::empty("WasiConfig") }
    }

    #[expect(clippy::too_many_arguments, reason = "each is a keyword argument")]
    #[pyo3(signature = (
        *, argv=None, env=None, stdin=None, stdin_bytes=None, stdin_file=None, stdout=None, stdout_file=None,
        stdout_custom=None, stderr=None, stderr_file=None, stderr_custom=None
    ))]
    fn __init__(
        &self,
        argv: Option<&Bound<'_, PyAny>>,
        env: Option<&Bound<'_, PyAny>>,
        stdin: Option<&Bound<'_, PyAny>>,
        stdin_bytes: Option<&Bound<'_, PyAny>>,
        stdin_file: Option<&Bound<'_, PyAny>>,
        stdout: Option<&Bound<'_, PyAny>>,
        stdout_file: Option<&Bound<'_, PyAny>>,
        stdout_custom: Option<&Bound<'_, PyAny>>,
        stderr: Option<&Bound<'_, PyAny>>,
        stderr_file: Option<&Bound<'_, PyAny>>,
        stderr_custom: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        at_most_one("stdin", &[stdin.is_some(), stdin_bytes.is_some(), stdin_file.is_some()])?;
        at_most_one("stdout", &[stdout.is_some(), stdout_file.is_some(), stdout_custom.is_some()])?;
        at_most_one("stderr", &[stderr.is_some(), stderr_file.is_some(), stderr_custom.is_some()])?;
        self.state.initialise(Mutex::default())?;
        argv.map_or(Ok(()), |argv| self.set_argv(argv))?;
        env.map_or(Ok(()), |env| self.set_env(env))?;
        stdin.map_or(Ok(()), |stdin| self.set_stdin(Some(stdin)))?;
        stdin_bytes.map_or(Ok(()), |bytes| self.set_stdin_bytes(Some(bytes)))?;
        stdin_file.map_or(Ok(()), |path| self.set_stdin_file(Some(path)))?;
        for (which, writer, path, callback) in
            [(Which::Stdout, stdout, stdout_file, stdout_custom), (Which::Stderr, stderr, stderr_file, stderr_custom)]
        {
            writer.map_or(Ok(()), |writer| self.set_writer(which, Some(writer)))?;
            path.map_or(Ok(()), |path| self.set_file(which, Some(path)))?;
            callback.map_or(Ok(()), |callback| self.set_callback(which, Some(callback)))?;
        }
        Ok(())
    }

    /// The program's arguments, a list of `str`; the first is its name.
    ///
    /// Takes any iterable of `str`, in place of earlier arguments. Raises `TypeError` for other items and `ValueError`
    /// for NUL characters.
    #[getter]
    fn argv(&self) -> PyResult<Vec<String>> {
        Ok(self.lock()?.argv.clone())
    }

    #[setter]
    fn set_argv(&self, argv: &Bound<'_, PyAny>) -> PyResult<()> {
        let argv = parse::arguments(argv)?;
        self.change(|state| state.argv = argv)
    }

    /// Take the arguments of this process, the interpreter included (`sys.orig_argv`), in place of earlier arguments.
    fn inherit_argv(&self, py: Python<'_>) -> PyResult<()> {
        let argv = parse::process_arguments(py)?;
        self.change(|state| state.argv = argv)
    }

    /// The program's environment, a `dict` of `str`.
    ///
    /// Takes a mapping or an iterable of pairs, in place of what was set earlier; variables that are inherited stay,
    /// unless they are set here. Raises `TypeError` for names and values that are not `str`, and `ValueError` for NUL
    /// characters, empty names, and names with an `=`.
    #[getter]
    fn env<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let variables = self.lock()?.environment();
        let dict = PyDict::new(py);
        variables.into_iter().try_for_each(|(name, value)| dict.set_item(name, value))?;
        Ok(dict)
    }

    #[setter]
    fn set_env(&self, env: &Bound<'_, PyAny>) -> PyResult<()> {
        let env = parse::environment(env)?;
        self.change(|state| state.env = env)
    }

    /// Add the environment of this process, as `os.environ` is now. Variables set with `env` take precedence.
    fn inherit_env(&self, py: Python<'_>) -> PyResult<()> {
        let env = parse::process_environment(py)?;
        self.change(|state| state.inherited_env = env)
    }

    /// A file to read standard input from: `str`, `bytes` or `os.PathLike`.
    ///
    /// Opened when it is set; raises `WasiFileError`, which is an `OSError` of the usual kind and a `WasmtimeError`.
    #[getter]
    fn stdin_file(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match &self.lock()?.stdin {
            Stdin::File(_, path) => Ok(Some(path.clone_ref(py))),
            _ => Ok(None),
        }
    }

    #[setter]
    fn set_stdin_file(&self, path: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let stdin = match path {
            Some(path) => Stdin::File(Arc::new(parse::open(path, |path| File::open(path))?), path.clone().unbind()),
            None => Stdin::Empty,
        };
        self.replace_stdin(stdin)
    }

    /// The bytes that each store reads from standard input. Takes any bytes-like object, which is copied.
    #[getter]
    fn stdin_bytes<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        match &self.lock()?.stdin {
            Stdin::Bytes(bytes) => Ok(Some(PyBytes::new(py, bytes))),
            _ => Ok(None),
        }
    }

    #[setter]
    fn set_stdin_bytes(&self, bytes: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let stdin = match bytes {
            Some(bytes) => Stdin::Bytes(
                source::to_bytes(bytes)?.ok_or_else(|| expected("a bytes-like object for stdin_bytes", bytes))?,
            ),
            None => Stdin::Empty,
        };
        self.replace_stdin(stdin)
    }

    /// A binary file-like object to read standard input from.
    ///
    /// Its `read1(n)`, or `read(n)` where it has no `read1`, is called on the thread of the WebAssembly call whenever
    /// the program reads, and exceptions come out of that call. Raises `TypeError` for text files.
    #[getter]
    fn stdin(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match &self.lock()?.stdin {
            Stdin::Reader(object, _) => Ok(Some(object.clone_ref(py))),
            _ => Ok(None),
        }
    }

    #[setter]
    fn set_stdin(&self, reader: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let stdin = match reader {
            Some(reader) => Stdin::Reader(reader.clone().unbind(), parse::reader(reader)?),
            None => Stdin::Empty,
        };
        self.replace_stdin(stdin)
    }

    /// Read standard input from the file descriptor 0 of this process.
    fn inherit_stdin(&self) -> PyResult<()> {
        self.replace_stdin(Stdin::Inherit)
    }

    /// A file to write standard output to: `str`, `bytes` or `os.PathLike`.
    ///
    /// Created, or emptied, when it is set; raises `WasiFileError`, which is an `OSError` of the usual kind and a
    /// `WasmtimeError`. Not buffered.
    #[getter]
    fn stdout_file(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.get_output(py, Which::Stdout, Stdout::path)
    }

    #[setter]
    fn set_stdout_file(&self, path: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.set_file(Which::Stdout, path)
    }

    /// A callable that gets what the program writes to standard output, as `bytes`, and returns how many of them it
    /// took, or `None` for all.
    ///
    /// It is called on the thread of the WebAssembly call, once for each write unless it takes less than all, and may
    /// use the store. What it raises comes out of that call. 0 or a negative number (-errno) is an error that the
    /// program sees.
    #[getter]
    fn stdout_custom(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.get_output(py, Which::Stdout, Stdout::callback)
    }

    #[setter]
    fn set_stdout_custom(&self, callback: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.set_callback(Which::Stdout, callback)
    }

    /// A binary file-like object to write standard output to.
    ///
    /// Its `write(b)`, and `flush()` if it has one, is called on the thread of the WebAssembly call whenever the
    /// program writes, and exceptions come out of that call. Raises `TypeError` for text files: use their `.buffer`.
    #[getter]
    fn stdout(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.get_output(py, Which::Stdout, Stdout::writer)
    }

    #[setter]
    fn set_stdout(&self, writer: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.set_writer(Which::Stdout, writer)
    }

    /// Keep standard output in memory, and return the `Capture` to read it from.
    ///
    /// At most `limit` bytes are kept and the rest is dropped, which `Capture.truncated` tells; without a limit a
    /// program can fill the memory of the host. With `strict`, a program that writes more is stopped: its call raises
    /// `OutputLimitError`.
    #[pyo3(signature = (limit=None, *, strict=false))]
    fn capture_stdout(&self, limit: Option<&Bound<'_, PyAny>>, strict: bool) -> PyResult<Capture> {
        self.set_capture(Which::Stdout, limit, strict)
    }

    /// Write standard output to the file descriptor 1 of this process; `sys.stdout` and its buffer are not involved.
    fn inherit_stdout(&self) -> PyResult<()> {
        self.replace_output(Which::Stdout, Stdout::Inherit)
    }

    /// A file to write standard error to; see `stdout_file`.
    #[getter]
    fn stderr_file(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.get_output(py, Which::Stderr, Stdout::path)
    }

    #[setter]
    fn set_stderr_file(&self, path: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.set_file(Which::Stderr, path)
    }

    /// A callable that gets what the program writes to standard error; see `stdout_custom`.
    #[getter]
    fn stderr_custom(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.get_output(py, Which::Stderr, Stdout::callback)
    }

    #[setter]
    fn set_stderr_custom(&self, callback: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.set_callback(Which::Stderr, callback)
    }

    /// A binary file-like object to write standard error to; see `stdout`.
    #[getter]
    fn stderr(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.get_output(py, Which::Stderr, Stdout::writer)
    }

    #[setter]
    fn set_stderr(&self, writer: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.set_writer(Which::Stderr, writer)
    }

    /// Keep standard error in memory; see `capture_stdout`.
    #[pyo3(signature = (limit=None, *, strict=false))]
    fn capture_stderr(&self, limit: Option<&Bound<'_, PyAny>>, strict: bool) -> PyResult<Capture> {
        self.set_capture(Which::Stderr, limit, strict)
    }

    /// Write standard error to the file descriptor 2 of this process; `sys.stderr` and its buffer are not involved.
    fn inherit_stderr(&self) -> PyResult<()> {
        self.replace_output(Which::Stderr, Stdout::Inherit)
    }

    /// Let the program use the directory `path` (`str`, `bytes` or `os.PathLike`) of the host under the name
    /// `guest_path`.
    ///
    /// `dir_perms` says what it may do with directories and their entries, `file_perms` what with the contents of
    /// files; both are read and write unless given. `False` for `dir_perms`, or `fs_mutable=False`, makes both
    /// read-only. The program cannot leave the directory, by `..` or by symbolic links. `quota` bounds how much it may
    /// take up there.
    ///
    /// Raises `WasiFileError`, which is an `OSError` of the usual kind and a `WasmtimeError`, if there is no such
    /// directory.
    #[pyo3(
        signature = (path, guest_path, dir_perms=None, file_perms=None, *, fs_mutable=None, quota=None),
        text_signature = "(self, path, guest_path, dir_perms=None, file_perms=None, *, fs_mutable=None, quota=None)"
    )]
    fn preopen_dir(
        &self,
        path: &Bound<'_, PyAny>,
        guest_path: &Bound<'_, PyAny>,
        dir_perms: Option<&Bound<'_, PyAny>>,
        file_perms: Option<&Bound<'_, PyAny>>,
        fs_mutable: Option<&Bound<'_, PyAny>>,
        quota: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        if dir_perms.is_some() && fs_mutable.is_some() {
            return Err(PyTypeError::new_err("give either dir_perms or fs_mutable"));
        }
        let perms = parse::perms(dir_perms.or(fs_mutable), file_perms)?;
        let quota = match quota {
            Some(quota) => {
                let quota = quota.cast::<DiskQuota>().map_err(|_| expected("a DiskQuota for quota", quota))?;
                Some(quota.get().quota.clone())
            }
            None => None,
        };
        let preopen = Preopen { host: parse::directory(path)?, guest: parse::guest_path(guest_path)?, perms, quota };
        self.change(|state| state.preopens.push(preopen))
    }

    fn __repr__(&self) -> &'static str {
        match self.state.get() {
            Ok(_) => "<WasiConfig>",
            Err(Misuse::Closed(_)) => "<WasiConfig (closed)>",
            Err(_) => "<WasiConfig (not initialised)>",
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // A state that another thread is using is skipped, which keeps its objects alive until the next collection.
        match self.state.peek().map(Mutex::try_lock) {
            Some(Ok(state)) => state.objects().try_for_each(|object| visit.call(object)),
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        self.clear();
    }
}

impl Stdout {
    fn path(&self) -> Option<&Py<PyAny>> {
        match self {
            Stdout::File(_, path) => Some(path),
            _ => None,
        }
    }

    fn callback(&self) -> Option<&Py<PyAny>> {
        match self {
            Stdout::Callback(callback) => Some(callback),
            _ => None,
        }
    }

    fn writer(&self) -> Option<&Py<PyAny>> {
        match self {
            Stdout::Writer(writer) => Some(writer),
            _ => None,
        }
    }
}

managed!(WasiConfig);
