//! Python values as settings of a `WasiConfig`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyMapping, PyString};

use super::descriptors::{Access, Perms};
use crate::errors::expected;

/// A string that can be passed to C programs.
fn text(value: &Bound<'_, PyAny>, what: &str) -> PyResult<String> {
    let Ok(string) = value.cast::<PyString>() else { return Err(expected(&format!("a str for {what}"), value)) };
    let string = string.to_str()?;
    if string.contains('\0') {
        return Err(PyValueError::new_err(format!("{what} contains a NUL character: {string:?}")));
    }
    Ok(string.to_owned())
}

pub(crate) fn is_text_or_bytes(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() || value.is_instance_of::<PyByteArray>()
}

pub(crate) fn arguments(value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if is_text_or_bytes(value) {
        return Err(expected("an iterable of str for argv", value));
    }
    value.try_iter()?.map(|argument| text(&argument?, "an item of argv")).collect()
}

/// Environment variables, from a mapping or from pairs. Of several values for one name the last one counts, as in a
/// `dict`.
pub(crate) fn environment(value: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    if is_text_or_bytes(value) {
        return Err(expected("a mapping or an iterable of pairs for env", value));
    }
    let pairs = match value.cast::<PyMapping>() {
        Ok(mapping) => mapping.items()?.into_any(),
        Err(_) => value.clone(),
    };
    let mut variables: Vec<(String, String)> = Vec::new();
    for pair in pairs.try_iter()? {
        let (name, value) = variable(&pair?)?;
        set(&mut variables, name, value);
    }
    Ok(variables)
}

/// Sets a variable, in its place if there is one of that name.
pub(crate) fn set(variables: &mut Vec<(String, String)>, name: String, value: String) {
    match variables.iter_mut().find(|(known, _)| *known == name) {
        Some(variable) => variable.1 = value,
        None => variables.push((name, value)),
    }
}

fn variable(pair: &Bound<'_, PyAny>) -> PyResult<(String, String)> {
    if is_text_or_bytes(pair) {
        return Err(expected("a pair of name and value in env", pair));
    }
    let items = pair.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    let [name, value] = items.as_slice() else {
        return Err(PyValueError::new_err(format!(
            "expected pairs of name and value in env, got {} items",
            items.len()
        )));
    };
    let name = text(name, "a name in env")?;
    if name.is_empty() || name.contains('=') {
        return Err(PyValueError::new_err(format!(
            "a name in env must not be empty and must not contain \"=\": {name:?}"
        )));
    }
    Ok((name, text(value, "a value in env")?))
}

/// The process's environment as Python knows it. Bytes that are not UTF-8 arrive as U+FFFD.
pub(crate) fn process_environment(py: Python<'_>) -> PyResult<Vec<(String, String)>> {
    let environ = py.import("os")?.getattr("environb")?;
    let pairs: Vec<(Vec<u8>, Vec<u8>)> =
        environ.call_method0("items")?.try_iter()?.map(|pair| pair?.extract()).collect::<PyResult<_>>()?;
    Ok(pairs.into_iter().map(|(name, value)| (lossy(name), lossy(value))).collect())
}

/// The process's arguments, the interpreter included.
pub(crate) fn process_arguments(py: Python<'_>) -> PyResult<Vec<String>> {
    let os = py.import("os")?;
    let arguments = py.import("sys")?.getattr("orig_argv")?;
    arguments.try_iter()?.map(|argument| Ok(lossy(os.call_method1("fsencode", (argument?,))?.extract()?))).collect()
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The exception for a file that cannot be opened: a `WasiFileError`.
pub(crate) fn file_error(py: Python<'_>, error: &io::Error, path: &Bound<'_, PyAny>) -> PyErr {
    let number = error.raw_os_error().unwrap_or(rustix::io::Errno::INVAL.raw_os_error());
    let made = py.import("ferrowasm._wasi").and_then(|module| module.call_method1("file_error", (number, path)));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// Opens a file, with the interpreter detached: opening a named pipe waits.
pub(crate) fn open(value: &Bound<'_, PyAny>, how: impl FnOnce(&Path) -> io::Result<File> + Send) -> PyResult<File> {
    let py = value.py();
    let path = crate::paths::path(value)?;
    let opened = crate::gil::released(py, || {
        let file = how(&path)?;
        // Linux opens directories for reading.
        if file.metadata()?.is_dir() { Err(io::Error::from(rustix::io::Errno::ISDIR)) } else { Ok(file) }
    })?;
    opened.map_err(|error| file_error(py, &error, value))
}

/// The absolute path of a directory that exists.
pub(crate) fn directory(value: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    let path = crate::paths::path(value)?;
    let found = std::fs::read_dir(&path).and_then(|_| std::path::absolute(&path));
    found.map_err(|error| file_error(value.py(), &error, value))
}

/// The name by which a guest knows a preopened directory.
pub(crate) fn guest_path(value: &Bound<'_, PyAny>) -> PyResult<String> {
    text(value, "guest_path")
}

/// The permissions that the arguments of `preopen_dir` ask for; a bool in place of `DirPerms` says whether anything may
/// be written.
pub(crate) fn perms(dir: Option<&Bound<'_, PyAny>>, file: Option<&Bound<'_, PyAny>>) -> PyResult<Perms> {
    if let Some(mutable) = dir.and_then(|dir| dir.cast::<PyBool>().ok()) {
        if file.is_some() {
            return Err(PyTypeError::new_err("dir_perms as a bool is for files too: pass DirPerms to set file_perms"));
        }
        let access = if mutable.is_true() { Access::READ_WRITE } else { Access::READ };
        return Ok(Perms { dir: access, file: access });
    }
    Ok(Perms { dir: access(dir, "DirPerms")?, file: access(file, "FilePerms")? })
}

fn access(value: Option<&Bound<'_, PyAny>>, class: &str) -> PyResult<Access> {
    let Some(value) = value else { return Ok(Access::READ_WRITE) };
    if !value.is_instance(&value.py().import("ferrowasm._wasi")?.getattr(class)?)? {
        return Err(expected(class, value));
    }
    match value.getattr("value")?.extract::<u8>()? {
        1 => Ok(Access::READ),
        2 => Ok(Access::WRITE),
        _ => Ok(Access::READ_WRITE),
    }
}

fn require_binary(object: &Bound<'_, PyAny>, what: &str) -> PyResult<()> {
    if object.is_instance(&object.py().import("io")?.getattr("TextIOBase")?)? {
        return Err(PyTypeError::new_err(format!(
            "{what} needs a binary file: pass its .buffer, or open it in binary mode"
        )));
    }
    Ok(())
}

fn has_method(object: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    Ok(object.getattr_opt(name)?.is_some_and(|method| method.is_callable()))
}

/// The name of the method to read with: `read1`, which gives what there is, or `read`.
pub(crate) fn reader(object: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    require_binary(object, "stdin")?;
    for method in ["read1", "read"] {
        if has_method(object, method)? {
            return Ok(method);
        }
    }
    Err(expected("a binary file-like object with read() for stdin", object))
}

/// Refuses what is not a binary file that can be written to.
pub(crate) fn require_writer(object: &Bound<'_, PyAny>, what: &str) -> PyResult<()> {
    require_binary(object, what)?;
    if !has_method(object, "write")? {
        return Err(expected(&format!("a binary file-like object with write() for {what}"), object));
    }
    Ok(())
}
