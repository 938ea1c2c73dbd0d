//! The driver: runs an operation of the engine, and the Python functions that it asks for, on the ordinary stack.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::awaitable::{self, Stepped};
use super::fibers::{self, Status};
use super::host::{HostCall, Request};
use super::operation::{Operation, Outcome};
use super::wake::Signal;
use crate::errors::{Misuse, OrRaise, raised};
use crate::gil;
use crate::interrupt::{self, waits};
use crate::stack;
use crate::store::cell::Shared;

/// What to do where an operation would have to wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Leave, and go on later.
    Await,
    /// Block the thread.
    Block,
}

/// What comes from the task that awaits the operation.
pub(super) enum Input<'py> {
    Send(Bound<'py, PyAny>),
    Throw(PyErr),
}

/// What goes to the task that awaits the operation.
pub(super) enum Progress<'py> {
    Suspended(Bound<'py, PyAny>),
    Finished(Bound<'py, PyAny>),
}

/// What an operation waits for.
enum Wait {
    /// Nothing: it can go on.
    Nothing,
    /// What a host function has returned.
    Host { request: Request, iterator: Py<PyAny> },
    /// An event outside of Python.
    Event { iterator: Py<PyAny> },
    /// Others to have their turn.
    Turn,
    /// The thread on which the call runs. What is thrown meanwhile is raised when that has stopped.
    Thread { iterator: Py<PyAny>, done: Arc<Signal>, error: Option<PyErr> },
}

/// An operation under way.
pub(super) struct Drive {
    shared: Arc<Shared>,
    id: u64,
    wait: Wait,
    /// Whether the store is entered, as it is when the operation has just begun.
    entered: bool,
    /// Whether a thread is to be started.
    launches: bool,
}

/// How long a blocked thread goes without a look at signals.
const TICK: Duration = Duration::from_millis(10);

impl Drive {
    /// Enters the store and begins the operation. To be followed by `go`.
    pub(super) fn start(py: Python<'_>, operation: &dyn Operation) -> PyResult<Drive> {
        stack::room_to_drive()?;
        let mut entry = operation.enter(py)?;
        if !entry.may_await() {
            return Err(Misuse::AwaitInside.into());
        }
        if entry.is_outermost() {
            interrupt::begin(&mut entry.ctx());
        }
        fibers::prepare(&mut entry.ctx());
        let shared = entry.ctx().data().shared.clone();
        let id = fibers::begin(entry, |ctx| operation.begin(py, ctx))?;
        shared.fibers.set_stepping(None);
        Ok(Drive { shared, id, wait: Wait::Nothing, entered: true, launches: false })
    }

    /// Goes on until the operation is over or has to wait.
    pub(super) fn go<'py>(
        &mut self,
        py: Python<'py>,
        operation: &dyn Operation,
        mode: Mode,
        input: Option<Input<'py>>,
    ) -> PyResult<Progress<'py>> {
        let mut polled = false;
        let mut input = input;
        if matches!(self.wait, Wait::Thread { .. }) {
            match self.join(py, input.take())? {
                Some(yielded) => return Ok(Progress::Suspended(yielded)),
                None => polled = true,
            }
        }
        let index = self.enter()?;
        match self.advance(py, operation, mode, index, input, polled) {
            Ok(Progress::Suspended(value)) => {
                self.leave(index);
                self.launch()?;
                Ok(Progress::Suspended(value))
            }
            end => {
                self.end(index);
                end
            }
        }
    }

    fn advance<'py>(
        &mut self,
        py: Python<'py>,
        operation: &dyn Operation,
        mode: Mode,
        index: usize,
        mut input: Option<Input<'py>>,
        mut polled: bool,
    ) -> PyResult<Progress<'py>> {
        loop {
            if let Some(yielded) = self.resume(py, index, input.take())? {
                return Ok(Progress::Suspended(yielded));
            }
            if !polled {
                if mode == Mode::Await && index == 0 && operation.in_thread() {
                    return self.hand_over(py).map(Progress::Suspended);
                }
                let shared = &*self.shared;
                gil::released(py, || shared.poll_call())?;
            }
            polled = false;
            self.shared.fibers.bury();
            match self.shared.fibers.status() {
                Status::Done(outcome) => return self.finish(py, operation, index, outcome).map(Progress::Finished),
                Status::Request(request) => self.begin_host(py, index, mode, request),
                Status::Waiting => self.begin_wait(py, mode)?,
                Status::Gone => return Err(gone()),
            }
        }
    }

    /// Enters the store again, and gives the place of the call among those of the store.
    fn enter(&mut self) -> PyResult<usize> {
        let fibers = &self.shared.fibers;
        if !self.entered {
            // What is looked up is changed by the owner of the store only.
            match fibers.index(self.id).ok_or_else(gone)? {
                0 => {
                    self.shared.resume()?;
                    if self.shared.memories.any() {
                        waits::begin();
                        waits::enter(&self.shared);
                    }
                }
                _ if !self.shared.runs_here() => return Err(self.shared.obstacle().into()),
                index if fibers.stepping() != Some(index - 1) => return Err(Misuse::Suspended.into()),
                _ => fibers.set_stepping(None),
            }
            self.entered = true;
        }
        fibers.index(self.id).ok_or_else(gone)
    }

    /// Leaves the store, with the operation suspended.
    fn leave(&mut self, index: usize) {
        self.entered = false;
        match index.checked_sub(1) {
            None => self.shared.suspend(),
            below => self.shared.fibers.set_stepping(below),
        }
    }

    /// Ends the operation, wherever it is, and leaves the store.
    fn end(&mut self, index: usize) {
        self.wait = Wait::Nothing;
        self.entered = false;
        if let Some(place) = self.shared.cut(index) {
            self.shared.fibers.set_stepping(index.checked_sub(1));
            drop(fibers::reenter(&self.shared, place));
        }
        self.shared.fibers.bury();
    }

    /// Prepares to have the call polled on another thread, and gives what the task is to wait for.
    fn hand_over<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let done = Arc::default();
        let (iterator, future) = wait_for(&done, py)?;
        self.wait = Wait::Thread { iterator, done, error: None };
        self.launches = true;
        Ok(future)
    }

    /// Starts the thread, when the store was left.
    fn launch(&mut self) -> PyResult<()> {
        match &self.wait {
            Wait::Thread { done, .. } if std::mem::take(&mut self.launches) => {
                self.shared.poll_in_thread(done).map_err(|error| PyRuntimeError::new_err(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Waits for the thread on which the call runs. `Some` is what the task is to wait for; `None`: it has stopped.
    fn join<'py>(&mut self, py: Python<'py>, input: Option<Input<'py>>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Wait::Thread { iterator, done, error } = &mut self.wait else { return Ok(None) };
        if let Some(Input::Throw(thrown)) = input {
            self.shared.fibers.stop();
            *error = Some(thrown);
        }
        if !done.take() {
            let (next, future) = wait_for(done, py)?;
            *iterator = next;
            return Ok(Some(future));
        }
        let error = error.take();
        self.wait = Wait::Nothing;
        match error {
            None => Ok(None),
            Some(error) => {
                let index = self.enter()?;
                self.end(index);
                Err(error)
            }
        }
    }

    /// Stops the thread on which the call runs, and blocks this one until it has.
    fn stop_thread(&mut self, py: Python<'_>) -> PyResult<()> {
        let Wait::Thread { done, .. } = &self.wait else { return Ok(()) };
        let (done, shared) = (done.clone(), &*self.shared);
        shared.fibers.stop();
        gil::released(py, || while !done.wait(TICK) {})?;
        done.forget();
        self.wait = Wait::Nothing;
        Ok(())
    }

    /// Steps what the operation waits for. `Some` is what it yields; `None` means that the operation can go on.
    fn resume<'py>(
        &mut self,
        py: Python<'py>,
        index: usize,
        input: Option<Input<'py>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match std::mem::replace(&mut self.wait, Wait::Nothing) {
            Wait::Nothing | Wait::Thread { .. } => Ok(None),
            Wait::Turn => match input {
                Some(Input::Throw(error)) => Err(error),
                Some(Input::Send(_)) => Ok(None),
                None => {
                    self.wait = Wait::Turn;
                    Ok(Some(py.None().into_bound(py)))
                }
            },
            Wait::Event { iterator } => match step(iterator.bind(py), input) {
                Ok(Stepped::Yielded(value)) => {
                    self.wait = Wait::Event { iterator };
                    Ok(Some(value))
                }
                ended => {
                    self.shared.fibers.signal().forget();
                    ended.map(|_| None)
                }
            },
            Wait::Host { request, iterator } => {
                match self.aside(index, &request, || step(iterator.bind(py), input)) {
                    Ok(Stepped::Yielded(value)) => {
                        self.wait = Wait::Host { request, iterator };
                        return Ok(Some(value));
                    }
                    Ok(Stepped::Returned(value)) => self.answer(index, &request, Ok(value)),
                    Err(error) => self.answer(index, &request, Err(error)),
                }
                Ok(None)
            }
        }
    }

    /// Runs Python code on behalf of the host function that is suspended in level `index`. It may use the store, unless
    /// the engine is in the middle of something: then the slot of the store stays empty.
    fn aside<R>(&self, index: usize, request: &Request, work: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        let fibers = &self.shared.fibers;
        if !fibers.parked(index) {
            return Err(gone());
        }
        if !lock(request).at_rest() {
            return work();
        }
        // Otherwise a further call, which the host function has begun, is suspended.
        if fibers.depth() == index + 1 {
            self.shared.put_suspended();
        }
        fibers.set_stepping(Some(index));
        let result = work();
        fibers.set_stepping(None);
        self.shared.take_suspended();
        result
    }

    /// Calls a host function. If its result can be awaited, that is what the operation waits for.
    fn begin_host(&mut self, py: Python<'_>, index: usize, mode: Mode, request: Request) {
        let result = self.aside(index, &request, || lock(&request).call(py, &self.shared));
        let iterator = match result {
            Ok(value) if !awaitable::is_awaitable(&value) => return self.answer(index, &request, Ok(value)),
            Ok(value) if mode == Mode::Block => Err(awaitable::refuse(&value, awaitable::USE_CALL_ASYNC)),
            Ok(value) => awaitable::iterator(value),
            Err(error) => Err(error),
        };
        match iterator {
            Ok(iterator) => self.wait = Wait::Host { request, iterator: iterator.unbind() },
            Err(error) => self.answer(index, &request, Err(error)),
        }
    }

    /// Lets the host function return.
    fn answer(&self, index: usize, request: &Request, result: PyResult<Bound<'_, PyAny>>) {
        // What the host function has begun and not awaited to its end.
        self.shared.cut(index + 1);
        let completed =
            result.and_then(|value| self.aside(index, request, || lock(request).complete(value, &self.shared)));
        lock(request).expire();
        self.shared.fibers.answer(completed.map_err(raised));
    }

    /// Decides how to wait for an event outside of Python.
    fn begin_wait(&mut self, py: Python<'_>, mode: Mode) -> PyResult<()> {
        let signal = self.shared.fibers.signal();
        match mode {
            Mode::Await if signal.take() => self.wait = Wait::Turn,
            Mode::Await => {
                let future = signal.future(py)?;
                self.wait = Wait::Event { iterator: awaitable::iterator(future)?.unbind() };
            }
            Mode::Block => {
                let _come = gil::released(py, || signal.wait(TICK))?;
                py.check_signals()?;
            }
        }
        Ok(())
    }

    fn finish<'py>(
        &mut self,
        py: Python<'py>,
        operation: &dyn Operation,
        index: usize,
        outcome: wasmtime::Result<Outcome>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let place = self.shared.fibers.pop().ok_or_else(gone)?;
        self.shared.fibers.set_stepping(index.checked_sub(1));
        let mut entry = fibers::reenter(&self.shared, place);
        match outcome {
            Ok(outcome) if self.shared.memories.any() => {
                self.shared.deadlines.check().or_raise(py)?;
                operation.finish(py, &mut entry, outcome)
            }
            Ok(outcome) => operation.finish(py, &mut entry, outcome),
            Err(error) => Err(operation.fail(py, &mut entry, &error)),
        }
    }

    /// Ends a suspended operation as `close()` of a coroutine does it: the host function that waits gets a
    /// `GeneratorExit`, then the WebAssembly code is given up.
    pub(super) fn close(&mut self, py: Python<'_>) -> PyResult<()> {
        self.stop_thread(py)?;
        let index = self.enter()?;
        let closed = match std::mem::replace(&mut self.wait, Wait::Nothing) {
            Wait::Host { request, iterator } => {
                let closed = self.aside(index, &request, || awaitable::close(iterator.bind(py)));
                lock(&request).expire();
                closed
            }
            Wait::Event { iterator } => {
                self.shared.fibers.signal().forget();
                awaitable::close(iterator.bind(py))
            }
            Wait::Nothing | Wait::Turn | Wait::Thread { .. } => Ok(()),
        };
        self.end(index);
        closed
    }

    /// Ends an operation that nobody refers to any more.
    pub(super) fn abandon(&mut self, py: Python<'_>) {
        let Some(index) = self.shared.fibers.index(self.id) else { return };
        match self.close(py) {
            Ok(()) => return,
            Err(error) if self.shared.fibers.index(self.id).is_none() => return error.write_unraisable(py, None),
            // The store is entered by somebody else.
            Err(_) => {}
        }
        // A call within one that is suspended ends now; one within a call that runs ends with its host function.
        if self.shared.resume().is_ok() {
            self.shared.cut(index);
            self.shared.suspend();
        }
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.wait {
            Wait::Host { iterator, .. } => visit.call(iterator),
            Wait::Event { iterator } => {
                visit.call(iterator)?;
                self.shared.fibers.signal().traverse(visit)
            }
            Wait::Thread { iterator, done, .. } => {
                visit.call(iterator)?;
                done.traverse(visit)
            }
            Wait::Nothing | Wait::Turn => Ok(()),
        }
    }
}

fn lock(request: &Request) -> std::sync::MutexGuard<'_, dyn HostCall + 'static> {
    request.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Steps a coroutine or the iterator of an awaitable.
fn step<'py>(iterator: &Bound<'py, PyAny>, input: Option<Input<'py>>) -> PyResult<Stepped<'py>> {
    match input {
        None => awaitable::send(iterator, &iterator.py().None().into_bound(iterator.py())),
        Some(Input::Send(value)) => awaitable::send(iterator, &value),
        Some(Input::Throw(error)) => awaitable::throw(iterator, error),
    }
}

/// The iterator of a future that the signal finishes, and the future.
fn wait_for<'py>(signal: &Signal, py: Python<'py>) -> PyResult<(Py<PyAny>, Bound<'py, PyAny>)> {
    let iterator = awaitable::iterator(signal.future(py)?)?;
    match step(&iterator, None)? {
        Stepped::Yielded(future) => Ok((iterator.unbind(), future)),
        // It is done already: the task asks again at once.
        Stepped::Returned(_) => Ok((iterator.unbind(), py.None().into_bound(py))),
    }
}

fn gone() -> PyErr {
    PyRuntimeError::new_err("the asynchronous call has ended: the host function in which it was made has returned")
}
