//! Paths of the host, and the exceptions for what cannot be done with them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

/// A path of the host: `str`, `bytes` or `os.PathLike`.
pub(crate) fn path(value: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    let bytes: Vec<u8> = value.py().import("os")?.call_method1("fsencode", (value,))?.extract()?;
    if bytes.contains(&0) {
        return Err(PyValueError::new_err("a path contains a NUL character"));
    }
    Ok(OsString::from_vec(bytes).into())
}

/// The Python exception for an I/O error, with the file's name and the words that Python uses.
pub(crate) fn os_error(py: Python<'_>, error: &std::io::Error, path: &Path) -> PyErr {
    let name = path.as_os_str();
    let Some(code) = error.raw_os_error() else { return PyOSError::new_err(format!("{error}: {}", path.display())) };
    match py.import("os").and_then(|os| os.call_method1("strerror", (code,))) {
        Ok(reason) => PyOSError::new_err((code, reason.unbind(), name.to_owned())),
        Err(error) => error,
    }
}
