//! What may be passed as `store`: a `Store`, a `Caller` or a `StoreContext`.

use pyo3::prelude::*;

use super::Store;
use super::cell::Entry;
use super::context::StoreContext;
use crate::caller::Caller;
use crate::errors::{Misuse, expected};
use crate::thread::{self, Thread};

/// A borrowed `store` argument.
pub(crate) enum StoreArg<'a, 'py> {
    Store(&'a Bound<'py, Store>),
    Caller(&'a Bound<'py, Caller>),
    Context(&'a Bound<'py, StoreContext>),
}

impl<'a, 'py> StoreArg<'a, 'py> {
    #[inline]
    pub(crate) fn new(object: &'a Bound<'py, PyAny>) -> PyResult<StoreArg<'a, 'py>> {
        if let Ok(store) = object.cast::<Store>() {
            Ok(StoreArg::Store(store))
        } else if let Ok(caller) = object.cast::<Caller>() {
            Ok(StoreArg::Caller(caller))
        } else if let Ok(context) = object.cast::<StoreContext>() {
            Ok(StoreArg::Context(context))
        } else {
            Err(expected("a Store, Caller or StoreContext", object))
        }
    }

    fn py(&self) -> Python<'py> {
        match self {
            StoreArg::Store(store) => store.py(),
            StoreArg::Caller(caller) => caller.py(),
            StoreArg::Context(context) => context.py(),
        }
    }

    /// The right to use the store, whichever it is.
    #[inline]
    pub(crate) fn enter(&self) -> PyResult<Entry<'a>> {
        self.enter_on(thread::current(self.py()))
    }

    /// The same for who knows the running thread.
    #[inline]
    fn enter_on(&self, thread: &Thread) -> PyResult<Entry<'a>> {
        match self {
            StoreArg::Store(store) => Ok(store.get().cell.enter_attached(store.py(), thread)?),
            StoreArg::Caller(caller) => caller.get().frame().enter(),
            StoreArg::Context(context) => context.get().frame().enter(),
        }
    }

    /// The right to use the store, if it is the one in which an object of the given kind was made.
    #[inline]
    pub(crate) fn enter_own(&self, id: u64, kind: &'static str) -> PyResult<Entry<'a>> {
        self.enter_own_on(thread::current(self.py()), id, kind)
    }

    /// The same for who knows the running thread.
    #[inline]
    pub(crate) fn enter_own_on(&self, thread: &Thread, id: u64, kind: &'static str) -> PyResult<Entry<'a>> {
        let entry = self.enter_on(thread)?;
        if entry.shared.id == id { Ok(entry) } else { Err(Misuse::WrongStore(kind).into()) }
    }
}
