//! One way for errors to become Python exceptions, and for Python exceptions to pass through the engine unchanged.

use std::fmt;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use wasmtime::{AsContextMut, Error, RootScope, StoreContextMut, ThrownException, Trap, WasmBacktrace};

use crate::interrupt::deadline::DeadlineExceeded;
use crate::interrupt::waits;
use crate::private_memories;
use crate::refs;
use crate::store::Data;
use crate::vectorcall;

/// Looks up a class of `ferrowasm._errors`.
///
/// Looked up each time: errors are not the fast path, and a program that imports the package anew gets exceptions of
/// the classes that it sees.
fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("ferrowasm._errors")?.getattr(name)
}

/// Makes an exception of `ferrowasm._errors` from its message.
pub(crate) fn exception(py: Python<'_>, name: &str, message: &str) -> PyErr {
    let message = PyString::new(py, message).into_any();
    match class(py, name).and_then(|class| vectorcall::call_python(&class, [message])) {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

/// A `WasmtimeError` with this message.
pub(crate) fn wasmtime_error(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "WasmtimeError", message)
}

/// A `ResourceLimitError`: a limit of the store is in the way.
pub(crate) fn resource_limit_error(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "ResourceLimitError", message)
}

/// Whether an error of the engine is about a limit of the store, which the engine tells by its text alone.
fn is_about_limits(error: &Error) -> bool {
    error.chain().any(|cause| {
        let text = cause.to_string();
        [
            "resource limit exceeded: ",
            " exceeds memory limits",
            " exceeds table limits",
            "store handle limit exceeded",
            "fuel allocated for hostcalls has been exhausted",
        ]
        .iter()
        .any(|limit| text.contains(limit))
    })
}

/// A linker is used by code that runs while it works: a module's start function, or a finaliser.
pub(crate) fn busy_linker(py: Python<'_>) -> PyErr {
    wasmtime_error(py, "the linker is busy: it cannot be used by code that runs while it defines something")
}

/// An `OutOfBoundsError`: an index that something does not have.
pub(crate) fn out_of_bounds(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "OutOfBoundsError", message)
}

/// An `OutputLimitError`: a program wrote more than it may.
pub(crate) fn output_limit_error(py: Python<'_>, limit: usize) -> PyErr {
    let message = format!("the program wrote more than {limit} bytes, which is the limit of this output");
    exception(py, "OutputLimitError", &message)
}

/// A `SignatureError`: the wrong number of arguments or results.
pub(crate) fn signature_error(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "SignatureError", message)
}

/// An exception that a Python callback raised, on its way through the engine.
pub(crate) struct Raised(PyErr);

impl fmt::Debug for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raised")
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Python callback raised an exception")
    }
}

impl std::error::Error for Raised {}

/// Wraps a Python exception so that a host function can hand it to the engine; `to_python` gets the same object out
/// again.
pub(crate) fn raised(error: PyErr) -> Error {
    Error::new(Raised(error))
}

/// Converts an error of the engine. The Python exception of a callback comes out as the same object, traceback intact.
pub(crate) fn to_python(py: Python<'_>, error: &Error) -> PyErr {
    to_python_as(py, error, "Trap")
}

/// The same for an error of a component.
pub(crate) fn component_error(py: Python<'_>, error: &Error) -> PyErr {
    to_python_as(py, error, "ComponentTrap")
}

/// Traps become exceptions of the class `trap_class`.
fn to_python_as(py: Python<'_>, error: &Error, trap_class: &str) -> PyErr {
    if let Some(Raised(exception)) = error.downcast_ref::<Raised>() {
        return exception.clone_ref(py);
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        let message = format!("Exited with i32 exit status {}", exit.0);
        return from_engine(py, "ExitTrap", (message, exit.0));
    }
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let frames = || -> Vec<_> { backtrace.map(|it| it.frames().iter().map(frame).collect()).unwrap_or_default() };
    if let Some(exceeded) = error.downcast_ref::<DeadlineExceeded>() {
        let arguments = (describe(error), Trap::Interrupt as u8, frames(), exceeded.limit.as_secs_f64());
        return make(py, "DeadlineExceeded", "_from_deadline", arguments);
    }
    let trap = error.downcast_ref::<Trap>();
    if trap.is_none() && !error.is::<ThrownException>() {
        let class = if is_about_limits(error) { "ResourceLimitError" } else { "WasmtimeError" };
        return exception(py, class, &describe(error));
    }
    let mut message = describe(error);
    if trap == Some(&Trap::CannotEnterComponent) {
        message.push_str(CANNOT_ENTER);
    }
    from_engine(py, trap_class, (message, trap.map(|trap| *trap as u8), frames()))
}

/// Hands the WebAssembly exception that nobody caught, if there is one, over to the Python exception that reports it.
pub(crate) fn with_thrown(py: Python<'_>, mut ctx: StoreContextMut<'_, Data>, error: PyErr) -> PyErr {
    if !ctx.has_pending_exception() {
        return error;
    }
    let mut scope = RootScope::new(&mut ctx);
    let mut ctx = scope.as_context_mut();
    let Some(thrown) = ctx.take_pending_exception() else { return error };
    let handed_over = refs::exn_to_python(py, &mut ctx, &thrown)
        .and_then(|thrown| vectorcall::call_python(&error.value(py).getattr("_set_exception")?, [thrown]));
    match handed_over {
        Ok(_) => error,
        Err(failure) => failure,
    }
}

/// What to do about `Trap::CannotEnterComponent`, whose reason the engine does not tell.
const CANNOT_ENTER: &str = "\n\nEither an earlier error (a trap, an exception of a callback, or the cancellation of a call) left the components of this \
    store unusable: instantiate the component in a new Store. Or a callback calls back into the component instance that called it, which is not allowed.";

/// The error and what caused it, without the host's own backtrace.
fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let causes: Vec<String> = error.chain().skip(1).map(|cause| cause.to_string().replace('\n', "\n    ")).collect();
    if !causes.is_empty() {
        text.push_str("\n\nCaused by:");
    }
    for (position, cause) in causes.iter().enumerate() {
        match causes.len() {
            1 => text.push_str(&format!("\n    {cause}")),
            _ => text.push_str(&format!("\n    {position}: {cause}")),
        }
    }
    if text.contains("mmap failed to") {
        text.push_str(NO_ADDRESSES);
    }
    text
}

/// What to do when the system refuses to map memory.
const NO_ADDRESSES: &str = "\n\nThere are not enough addresses or memory left for this process (see `ulimit -v`). Let memories \
    reserve less with `Config.memory_reservation`, or let the pooling allocator hold fewer or smaller ones with \
    `Config.pooling_total_memories` and `Config.pooling_max_memory_size`.";

fn from_engine<'py>(
    py: Python<'py>,
    name: &str,
    args: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyErr {
    make(py, name, "_from_engine", args)
}

/// Makes an exception of the class `name` with one of its constructors.
fn make<'py>(
    py: Python<'py>,
    name: &str,
    constructor: &str,
    args: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
) -> PyErr {
    let value = args
        .into_pyobject(py)
        .and_then(|args| vectorcall::call_python(&class(py, name)?.getattr(constructor)?, args.iter()));
    match value {
        Ok(value) => PyErr::from_value(value),
        Err(error) => error,
    }
}

/// The engine's trap codes, each with the engine's name for it. What `TrapCode` is held against.
#[pyfunction]
pub(crate) fn trap_codes() -> Vec<(u8, String)> {
    (0..=u8::MAX).filter_map(|code| Trap::from_u8(code).map(|trap| (code, format!("{trap:?}")))).collect()
}

type FrameTuple =
    (u32, Option<String>, Option<usize>, Option<String>, Option<usize>, Option<String>, Option<u32>, Option<u32>);

/// The arguments of `Frame`. With debug information a frame may stand for several inlined source positions; the
/// innermost is the one reported.
fn frame(info: &wasmtime::FrameInfo) -> FrameTuple {
    let symbol = info.symbols().first();
    let moved = if waits::is_listening() { private_memories::moved(info.module()) } else { 0 };
    (
        info.func_index(),
        info.func_name().map(str::to_owned),
        info.func_offset(),
        info.module().name().map(str::to_owned),
        info.module_offset().map(|offset| offset - moved),
        symbol.and_then(|symbol| symbol.file()).map(str::to_owned),
        symbol.and_then(|symbol| symbol.line()),
        symbol.and_then(|symbol| symbol.column()),
    )
}

/// Lets `?` turn engine results into Python ones where the interpreter is attached.
pub(crate) trait OrRaise<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for wasmtime::Result<T> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| to_python(py, &error))
    }
}

/// Turns a Rust panic that reached the edge of the binding into an exception.
pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> PyErr {
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    PyRuntimeError::new_err(format!(
        "the WebAssembly engine failed an internal check ({what}); this is a bug in ferrowasm, please report it"
    ))
}

/// Use of an object in a way that cannot work, found before the engine is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// An object of this kind belongs to another store.
    WrongStore(&'static str),
    /// An object of this kind belongs to another engine.
    WrongEngine(&'static str),
    Closed(&'static str),
    Uninitialised(&'static str),
    /// A `Caller` or `StoreContext` outlived its callback.
    Expired(&'static str),
    /// The store runs on another thread.
    OtherThread,
    /// The engine is in the middle of an operation on the store.
    Busy,
    /// An asynchronous call of the store is suspended.
    Suspended,
    /// An asynchronous call cannot begin in a callback of a synchronous one.
    AwaitInside,
    /// `close()` from within a call of the store.
    CloseInside,
    /// A change of the numbers that `set_limits` limits from within a call of the store.
    CountsInside,
}

impl From<Misuse> for PyErr {
    fn from(misuse: Misuse) -> PyErr {
        Python::attach(|py| match misuse {
            Misuse::WrongStore(kind) => exception(
                py,
                "WrongStoreError",
                &format!("this {kind} belongs to another store; pass the store that it was made in"),
            ),
            Misuse::WrongEngine(kind) => exception(
                py,
                "WrongEngineError",
                &format!("this {kind} belongs to another engine; make both with the same Engine"),
            ),
            Misuse::Closed(kind) => exception(py, "ClosedError", &format!("this {kind} is already closed")),
            Misuse::Uninitialised(kind) => {
                exception(py, "ClosedError", &format!("this {kind} was never initialised: its __init__ has not run"))
            }
            Misuse::Expired(kind) => exception(
                py,
                "ExpiredError",
                &format!("this {kind} has expired: it is valid only until the callback that received it returns"),
            ),
            Misuse::OtherThread => exception(
                py,
                "StoreBusyError",
                "the store is running on another thread; a store runs one call at a time, so use one store for \
                each thread",
            ),
            Misuse::Busy => exception(
                py,
                "StoreBusyError",
                "the store is busy: code that runs while arguments are converted or the engine is in the middle \
                of an operation cannot use the same store",
            ),
            Misuse::Suspended => exception(
                py,
                "StoreBusyError",
                "an asynchronous call of the store is suspended; a store runs one call at a time, so await that call \
                first, or use another store",
            ),
            Misuse::AwaitInside => exception(
                py,
                "StoreBusyError",
                "an asynchronous call cannot begin inside of a synchronous call of the same store; make the outer call \
                with call_async, too",
            ),
            Misuse::CloseInside => exception(
                py,
                "StoreBusyError",
                "the store cannot be closed from within one of its own calls; close it after the call returned",
            ),
            Misuse::CountsInside => exception(
                py,
                "StoreBusyError",
                "the numbers of instances, tables and memories cannot be limited anew from within a call of the \
                store; do it after the call returned",
            ),
        })
    }
}

/// A `TypeError` for an argument of the wrong class.
pub(crate) fn expected(what: &str, got: &Bound<'_, PyAny>) -> PyErr {
    match got.get_type().name() {
        Ok(name) => PyTypeError::new_err(format!("expected {what}, got {name}")),
        Err(error) => error,
    }
}
