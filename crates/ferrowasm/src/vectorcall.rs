//! Calls without an argument tuple (PEP 590), in both directions, which PyO3 does not offer.
//!
//! The classes keep `__call__`; this adds the faster protocol beside it. The interpreter looks for a function pointer
//! inside the object, at an offset that the type tells. Both are set here, after PyO3 has made the type.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::panic::catch_unwind;

use pyo3::ffi;
use pyo3::impl_::trampoline::{MethodDef, fastcall_cfunction_with_keywords};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{Borrowed, PyClass};
use smallvec::SmallVec;

use crate::errors::panicked;
use crate::gil;

/// Positional arguments for a Python callable, collected without a tuple.
struct Arguments<'py>(SmallVec<[Option<Bound<'py, PyAny>>; 8]>);

impl<'py> Arguments<'py> {
    #[inline]
    fn new() -> Arguments<'py> {
        // The first place is the callee's, which a bound method puts its `self` into.
        let mut values = SmallVec::new();
        values.push(None);
        Arguments(values)
    }

    #[inline]
    fn push(&mut self, value: Bound<'py, PyAny>) {
        self.0.push(Some(value));
    }

    #[inline]
    fn call(self, callable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let count = self.0.len() - 1;
        // SAFETY: a `Bound` is a pointer to an object (PyO3 makes it `repr(transparent)` over a `Py`, and that over a
        // `NonNull`), and an `Option` of it is one that may be null, so this is an array of them, whose first place is
        // lent to the callee, as the flag says. It is valid for the call, which returns a new reference or null with an
        // exception set.
        unsafe {
            let first = self.0.as_ptr().cast::<*mut ffi::PyObject>().cast_mut().add(1);
            let flags = count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET;
            let result = ffi::PyObject_Vectorcall(callable.as_ptr(), first, flags, std::ptr::null_mut());
            Bound::from_owned_ptr_or_err(callable.py(), result)
        }
    }
}

/// Calls any Python callable with positional arguments.
#[inline]
pub(crate) fn call_python<'py>(
    callable: &Bound<'py, PyAny>,
    args: impl IntoIterator<Item = Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut arguments = Arguments::new();
    args.into_iter().for_each(|arg| arguments.push(arg));
    arguments.call(callable)
}

/// A class whose objects can be called without a tuple.
pub(crate) trait Callable: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync {
    /// Where in the Rust value the pointer is.
    const OFFSET: usize;

    /// The short road, for ordinary calls: `None` for others, of which nothing has been done.
    ///
    /// PyO3 does not count the thread as attached here: `gil::counted` does, for what drops a `Py`.
    #[inline]
    fn call_short<'py>(_slf: &Bound<'py, Self>, _args: &[Bound<'py, PyAny>]) -> Option<ShortResult<'py>> {
        None
    }

    fn call<'py>(slf: &Bound<'py, Self>, args: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>>;
}

/// What comes of a call on the short road. The exception is in a box because it is large.
pub(crate) type ShortResult<'py> = Result<Bound<'py, PyAny>, Box<PyErr>>;

/// The function pointer that objects of a `Callable` class carry, made with `Pointer::of::<Class>()`.
pub(crate) struct Pointer(#[expect(dead_code, reason = "read by the interpreter")] ffi::vectorcallfunc);

impl Pointer {
    pub(crate) fn of<C: Callable>() -> Pointer {
        Pointer(enter::<C>)
    }
}

/// What the interpreter calls.
unsafe extern "C" fn enter<C: Callable>(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: usize,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    if keywords.is_null() {
        // SAFETY: the interpreter calls this attached.
        let py = unsafe { Python::assume_attached() };
        // SAFETY: the arguments are those of PEP 590, and those who carry this pointer are of class `C`.
        match catch_unwind(|| unsafe { call_short::<C>(py, callable, args, count) }) {
            Ok(Some(Ok(result))) => return result.into_ptr(),
            Ok(None) => {}
            Ok(Some(Err(error))) => return raise(py, *error),
            Err(payload) => return raise(py, panicked(&*payload)),
        }
    }
    // SAFETY: as above. The trampoline, which PyO3's own methods use, only passes the arguments on, and turns errors and
    // panics into exceptions.
    unsafe { fastcall_cfunction_with_keywords::<Long<C>>(callable, args, count as isize, keywords) }
}

/// The long road, which every call can take.
struct Long<C>(PhantomData<C>);

impl<C: Callable> MethodDef<fastcall_cfunction_with_keywords::Func> for Long<C> {
    const METH: fastcall_cfunction_with_keywords::Func = call::<C>;
}

#[cold]
fn raise(py: Python<'_>, error: PyErr) -> *mut ffi::PyObject {
    gil::counted(py, move |py| error.restore(py));
    std::ptr::null_mut()
}

/// # Safety
///
/// As for `call`, without keywords.
#[inline]
unsafe fn call_short<'py, C: Callable>(
    py: Python<'py>,
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: usize,
) -> Option<ShortResult<'py>> {
    // SAFETY: as in `call`.
    unsafe {
        let callable = Borrowed::from_ptr(py, callable).cast_unchecked::<C>();
        let len = ffi::PyVectorcall_NARGS(count) as usize;
        C::call_short(&callable, borrowed(py, args, len))
    }
}

/// # Safety
///
/// The arguments are those of PEP 590, and `callable` is of class `C`.
unsafe fn call<C: Callable>(
    py: Python<'_>,
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> PyResult<*mut ffi::PyObject> {
    // SAFETY: `count` carries a flag in its highest bit.
    let len = unsafe { ffi::PyVectorcall_NARGS(count as usize) } as usize;
    // SAFETY: by contract; the reference is borrowed for the call.
    let callable = unsafe { Borrowed::from_ptr(py, callable) };
    if keywords.is_null() {
        // SAFETY: by contract; subclasses have the value of `C` at the same place.
        let callable = unsafe { callable.cast_unchecked::<C>() };
        // SAFETY: by contract.
        return C::call(&callable, unsafe { borrowed(py, args, len) }).map(Bound::into_ptr);
    }
    // SAFETY: by contract.
    unsafe { call_with_keywords(py, callable, args, len, keywords) }
}

/// # Safety
///
/// `first` is the address of `len` objects, which stay there and alive for `'a`.
#[inline]
unsafe fn borrowed<'a, 'py>(_py: Python<'py>, first: *const *mut ffi::PyObject, len: usize) -> &'a [Bound<'py, PyAny>] {
    if len == 0 {
        return &[];
    }
    // SAFETY: by contract. A `Bound` is a pointer to an object, as said above; none is dropped.
    unsafe { std::slice::from_raw_parts(first.cast(), len) }
}

/// # Safety
///
/// As for `call`; there are `len` positional arguments, and those behind `keywords` follow.
#[cold]
unsafe fn call_with_keywords(
    py: Python<'_>,
    callable: Borrowed<'_, '_, PyAny>,
    args: *const *mut ffi::PyObject,
    len: usize,
    keywords: *mut ffi::PyObject,
) -> PyResult<*mut ffi::PyObject> {
    // SAFETY: a tuple of the names of the keyword arguments, whose values follow the positional ones.
    let names = unsafe { Borrowed::from_ptr(py, keywords) };
    let names = names.cast::<PyTuple>()?;
    // SAFETY: by contract.
    let (positional, named) = unsafe { borrowed(py, args, len + names.len()) }.split_at(len);
    let keywords = PyDict::new(py);
    for (name, value) in names.iter().zip(named) {
        keywords.set_item(name, value)?;
    }
    let positional = PyTuple::new(py, positional)?;
    // SAFETY: `tp_call` of the class is there, since it has a `__call__`.
    let tp_call = unsafe { (*ffi::Py_TYPE(callable.as_ptr())).tp_call };
    match tp_call {
        // SAFETY: as the interpreter calls it: a tuple and a dictionary.
        Some(tp_call) => Ok(unsafe { tp_call(callable.as_ptr(), positional.as_ptr(), keywords.as_ptr()) }),
        None => Err(crate::errors::expected("a callable", &callable)),
    }
}

/// Tells the interpreter where the pointer is; to be called with any object of the class. Objects that were made before
/// profit, too.
///
/// A subclass that exists already goes on without.
#[cfg(not(Py_GIL_DISABLED))]
pub(crate) fn announce<C: Callable>(object: &Bound<'_, C>) {
    let class = object.py().get_type::<C>().as_type_ptr();
    let value = std::ptr::from_ref(object.get()) as usize - object.as_ptr() as usize;
    // SAFETY: the interpreter is attached, so nobody else uses the type. The offset leads to a `Pointer` in every
    // object of the class: it was measured on one. `PyType_Modified` drops what the interpreter has derived from the
    // old state.
    unsafe {
        (*class).tp_vectorcall_offset = (value + C::OFFSET) as ffi::Py_ssize_t;
        (*class).tp_flags |= ffi::Py_TPFLAGS_HAVE_VECTORCALL;
        ffi::PyType_Modified(class);
    }
}

/// In a free-threaded interpreter other threads may be using the type; calls go through `__call__` there.
#[cfg(Py_GIL_DISABLED)]
pub(crate) fn announce<C: Callable>(_object: &Bound<'_, C>) {}
