//! Calls into the interpreter survive its end.
//!
//! When the interpreter has shut down, CPython before 3.14 ends a daemon thread that wants to go on: `pthread_exit`
//! unwinds its stack, which with the C library of GNU must not go through frames of Rust, and still less through the
//! engine's: it aborts the process. A thread wants to go on wherever Python code runs, which may be any function that
//! calls, compares, converts or frees objects.
//!
//! So the linker sends every call of the functions listed here, ours and PyO3's, through a function that lets the thread
//! wait for the end of the process instead (`--wrap`, see `build.rs`, which reads the names from this file). Where a
//! thread attaches to the interpreter PyO3 does the same. What is left is the collector of CPython 3.11, which may run
//! finalisers when an object of our own classes is allocated: that goes through a pointer.
#![allow(unsafe_code)]
#![allow(non_snake_case)]

use std::ffi::{c_char, c_int, c_long};

use pyo3::ffi::{self, Py_buffer, Py_hash_t, Py_ssize_t, PyObject};

/// Dropped by unwinding only, which ends there.
struct Hang;

impl Drop for Hang {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}

macro_rules! survive {
    ($($(#[$condition:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        $($(#[$condition])*
        mod $name {
            use super::*;

            unsafe extern "C-unwind" {
                #[link_name = concat!("__real_", stringify!($name))]
                fn real($($arg: $ty),*) $(-> $result)?;
            }
            unsafe extern "C" {
                #[link_name = stringify!($name)]
                fn any($($arg: $ty),*) $(-> $result)?;
            }
            /// Some linkers send calls elsewhere only where there are any.
            #[used]
            static CALL: unsafe extern "C" fn($($ty),*) $(-> $result)? = any;

            /// # Safety
            ///
            /// That of the interpreter's function.
            #[unsafe(export_name = concat!("__wrap_", stringify!($name)))]
            pub(super) unsafe extern "C" fn wrap($($arg: $ty),*) $(-> $result)? {
                let hang = Hang;
                // SAFETY: the function that the caller wanted, declared as one that may unwind.
                #[allow(clippy::let_unit_value)]
                let result = unsafe { real($($arg),*) };
                std::mem::forget(hang);
                result
            }
        })*
    };
}

survive! {
    fn PyObject_Call(callable: *mut PyObject, args: *mut PyObject, keywords: *mut PyObject) -> *mut PyObject;
    fn PyObject_CallNoArgs(callable: *mut PyObject) -> *mut PyObject;
    fn PyObject_CallOneArg(callable: *mut PyObject, arg: *mut PyObject) -> *mut PyObject;
    fn PyObject_Vectorcall(
        callable: *mut PyObject,
        args: *const *mut PyObject,
        count: usize,
        names: *mut PyObject,
    ) -> *mut PyObject;
    fn PyObject_VectorcallDict(
        callable: *mut PyObject,
        args: *const *mut PyObject,
        count: usize,
        keywords: *mut PyObject,
    ) -> *mut PyObject;
    fn PyObject_VectorcallMethod(
        name: *mut PyObject,
        args: *const *mut PyObject,
        count: usize,
        names: *mut PyObject,
    ) -> *mut PyObject;
    fn _PyObject_MakeTpCall(
        state: *mut ffi::PyThreadState,
        callable: *mut PyObject,
        args: *const *mut PyObject,
        count: Py_ssize_t,
        keywords: *mut PyObject,
    ) -> *mut PyObject;
    fn PyImport_Import(name: *mut PyObject) -> *mut PyObject;

    fn PyObject_GetAttr(object: *mut PyObject, name: *mut PyObject) -> *mut PyObject;
    #[cfg(Py_3_13)]
    fn PyObject_GetOptionalAttr(object: *mut PyObject, name: *mut PyObject, result: *mut *mut PyObject) -> c_int;
    #[cfg(Py_3_13)]
    fn PyObject_HasAttrWithError(object: *mut PyObject, name: *mut PyObject) -> c_int;
    fn PyObject_SetAttr(object: *mut PyObject, name: *mut PyObject, value: *mut PyObject) -> c_int;
    fn PyObject_SetAttrString(object: *mut PyObject, name: *const c_char, value: *mut PyObject) -> c_int;
    fn PyObject_GetItem(object: *mut PyObject, key: *mut PyObject) -> *mut PyObject;
    fn PyObject_SetItem(object: *mut PyObject, key: *mut PyObject, value: *mut PyObject) -> c_int;
    fn PyObject_DelItem(object: *mut PyObject, key: *mut PyObject) -> c_int;
    fn PyObject_Size(object: *mut PyObject) -> Py_ssize_t;
    fn PyObject_LengthHint(object: *mut PyObject, default: Py_ssize_t) -> Py_ssize_t;
    fn PyObject_GetIter(object: *mut PyObject) -> *mut PyObject;
    fn PyIter_Next(iterator: *mut PyObject) -> *mut PyObject;
    fn PyIter_Send(iterator: *mut PyObject, value: *mut PyObject, result: *mut *mut PyObject) -> ffi::PySendResult;
    fn PyObject_IsTrue(object: *mut PyObject) -> c_int;
    fn PyObject_IsInstance(object: *mut PyObject, class: *mut PyObject) -> c_int;
    fn PyObject_Hash(object: *mut PyObject) -> Py_hash_t;
    fn PyObject_Repr(object: *mut PyObject) -> *mut PyObject;
    fn PyObject_Str(object: *mut PyObject) -> *mut PyObject;
    fn PyObject_RichCompare(left: *mut PyObject, right: *mut PyObject, operator: c_int) -> *mut PyObject;
    fn PyObject_GetBuffer(object: *mut PyObject, view: *mut Py_buffer, flags: c_int) -> c_int;
    fn PyBuffer_Release(view: *mut Py_buffer);
    fn PyMemoryView_FromObject(object: *mut PyObject) -> *mut PyObject;
    fn PyMapping_Items(object: *mut PyObject) -> *mut PyObject;
    fn PySequence_Contains(object: *mut PyObject, item: *mut PyObject) -> c_int;
    fn PyNumber_Index(object: *mut PyObject) -> *mut PyObject;
    fn PyNumber_Multiply(left: *mut PyObject, right: *mut PyObject) -> *mut PyObject;
    fn PyOS_FSPath(path: *mut PyObject) -> *mut PyObject;
    fn PyFloat_AsDouble(object: *mut PyObject) -> f64;
    fn PyLong_AsLong(object: *mut PyObject) -> c_long;
    #[cfg(Py_3_13)]
    fn PyLong_AsNativeBytes(
        object: *mut PyObject,
        buffer: *mut std::ffi::c_void,
        len: Py_ssize_t,
        flags: c_int,
    ) -> Py_ssize_t;

    fn PyDict_GetItemWithError(dict: *mut PyObject, key: *mut PyObject) -> *mut PyObject;
    #[cfg(Py_3_13)]
    fn PyDict_GetItemRef(dict: *mut PyObject, key: *mut PyObject, result: *mut *mut PyObject) -> c_int;
    fn PyDict_SetItem(dict: *mut PyObject, key: *mut PyObject, value: *mut PyObject) -> c_int;
    fn PyDict_Clear(dict: *mut PyObject);
    fn PySet_New(items: *mut PyObject) -> *mut PyObject;
    fn PyFrozenSet_New(items: *mut PyObject) -> *mut PyObject;
    fn PySet_Add(set: *mut PyObject, item: *mut PyObject) -> c_int;

    fn PyUnicode_AsEncodedString(text: *mut PyObject, encoding: *const c_char, errors: *const c_char) -> *mut PyObject;
    fn PyUnicode_DecodeFSDefaultAndSize(bytes: *const c_char, len: Py_ssize_t) -> *mut PyObject;
    fn PyUnicode_EncodeFSDefault(text: *mut PyObject) -> *mut PyObject;

    fn PyErr_CheckSignals() -> c_int;
    fn PyErr_Clear();
    fn PyErr_NormalizeException(class: *mut *mut PyObject, value: *mut *mut PyObject, traceback: *mut *mut PyObject);
    fn PyErr_NewExceptionWithDoc(
        name: *const c_char,
        doc: *const c_char,
        base: *mut PyObject,
        dict: *mut PyObject,
    ) -> *mut PyObject;
    fn PyErr_PrintEx(set_variables: c_int);
    fn PyErr_Restore(class: *mut PyObject, value: *mut PyObject, traceback: *mut PyObject);
    #[cfg(Py_3_12)]
    fn PyErr_SetRaisedException(exception: *mut PyObject);
    fn PyErr_SetObject(class: *mut PyObject, value: *mut PyObject);
    fn PyErr_SetString(class: *mut PyObject, text: *const c_char);
    fn PyErr_WarnEx(category: *mut PyObject, text: *const c_char, level: Py_ssize_t) -> c_int;
    fn PyErr_WriteUnraisable(object: *mut PyObject);
    fn PyException_SetCause(exception: *mut PyObject, cause: *mut PyObject);
    fn PyException_SetTraceback(exception: *mut PyObject, traceback: *mut PyObject) -> c_int;
    fn PyTraceBack_Print(traceback: *mut PyObject, file: *mut PyObject) -> c_int;

    fn PyType_FromSpec(spec: *mut ffi::PyType_Spec) -> *mut PyObject;
    fn PyUnicodeDecodeError_Create(
        encoding: *const c_char,
        bytes: *const c_char,
        len: Py_ssize_t,
        start: Py_ssize_t,
        end: Py_ssize_t,
        reason: *const c_char,
    ) -> *mut PyObject;
    fn PyTuple_New(len: Py_ssize_t) -> *mut PyObject;
    fn PyList_New(len: Py_ssize_t) -> *mut PyObject;
    fn PyDict_New() -> *mut PyObject;
    fn PyDict_Items(dict: *mut PyObject) -> *mut PyObject;
    fn PyList_AsTuple(list: *mut PyObject) -> *mut PyObject;
    fn PyTuple_GetSlice(tuple: *mut PyObject, begin: Py_ssize_t, end: Py_ssize_t) -> *mut PyObject;
    fn PyWeakref_NewRef(object: *mut PyObject, callback: *mut PyObject) -> *mut PyObject;
    fn PyObject_ClearWeakRefs(object: *mut PyObject);
    fn _Py_Dealloc(object: *mut PyObject);
    fn PyGILState_Release(state: ffi::PyGILState_STATE);
}

/// PyO3 asks for the function behind an object that it is about to call, for CPython 3.11.
mod PyVectorcall_Function {
    use super::*;

    unsafe extern "C" {
        #[link_name = "__real_PyVectorcall_Function"]
        fn real(callable: *mut PyObject) -> Option<ffi::vectorcallfunc>;
    }
    /// As above.
    #[used]
    static CALL: unsafe extern "C" fn(*mut PyObject) -> Option<ffi::vectorcallfunc> = ffi::PyVectorcall_Function;

    /// # Safety
    ///
    /// That of the interpreter's function.
    #[unsafe(export_name = "__wrap_PyVectorcall_Function")]
    unsafe extern "C" fn wrap(callable: *mut PyObject) -> Option<ffi::vectorcallfunc> {
        // SAFETY: by contract.
        unsafe { real(callable) }.map(|_| PyObject_Vectorcall::wrap as ffi::vectorcallfunc)
    }
}
