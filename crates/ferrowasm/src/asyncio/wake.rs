//! How a future of the engine that waits for something outside of Python wakes the event loop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::Duration;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::vectorcall;

/// Whether a suspended call can go on, and whom to tell.
#[derive(Default)]
pub(crate) struct Signal {
    woken: AtomicBool,
    condition: Condvar,
    target: Mutex<Option<Target>>,
}

/// A future of asyncio that the task awaits, and the way to tell it.
struct Target {
    future: Py<PyAny>,
    /// The method `call_soon_threadsafe` of the event loop.
    call_soon: Py<PyAny>,
    /// What the event loop is to call with the future.
    finish: Py<PyAny>,
}

impl Signal {
    /// Whether the signal has come since this was last asked.
    pub(super) fn take(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    /// A new future of the running event loop that is done once the signal comes.
    pub(super) fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let event_loop = py.import("asyncio")?.call_method0("get_running_loop")?;
        let future = event_loop.call_method0("create_future")?;
        let target = Target {
            future: future.clone().unbind(),
            call_soon: event_loop.getattr("call_soon_threadsafe")?.unbind(),
            finish: py.import("ferrowasm._asyncio")?.getattr("finish")?.unbind(),
        };
        let previous = self.target.lock().unwrap_or_else(PoisonError::into_inner).replace(target);
        drop(previous);
        if self.woken.load(Ordering::Acquire) {
            self.notify();
        }
        Ok(future)
    }

    /// Blocks until the signal comes, but not for longer than `timeout`. Whether it has come.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let guard = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        let mut come = self.take();
        if !come {
            let waited = self.condition.wait_timeout_while(guard, timeout, |_| {
                come = self.take();
                !come
            });
            drop(waited);
        }
        come
    }

    /// Lets go of the future.
    pub(super) fn forget(&self) {
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(target);
    }

    /// Tells the event loop, on whatever thread this is.
    fn notify(&self) {
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.condition.notify_all();
        let Some(target) = target else { return };
        // Nobody waits any more when the interpreter shuts down. Where it does so meanwhile, it ends this thread, in a way
        // that only `call_python` is made for.
        let told = Python::try_attach(|py| {
            let args = [target.finish.bind(py).clone(), target.future.bind(py).clone()];
            vectorcall::call_python(target.call_soon.bind(py), args).map(drop)
        });
        // The loop may be closed: then nobody waits any more, either.
        drop(told);
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.target.try_lock() {
            Ok(target) => match &*target {
                Some(target) => {
                    visit.call(&target.future)?;
                    visit.call(&target.call_soon)?;
                    visit.call(&target.finish)
                }
                None => Ok(()),
            },
            Err(_) => Ok(()),
        }
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.notify();
    }
}
