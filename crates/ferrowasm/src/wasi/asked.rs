//! Questions to Python from futures of the engine, which run on any thread. They are answered on the thread of the guest,
//! outside of all runtimes, while it waits or before its call of WASI returns.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use pyo3::prelude::*;
use tokio::sync::oneshot;

use super::background;
use super::wait::Waiter;
use crate::asyncio::host::HostCall;
use crate::asyncio::{self, Fiber};
use crate::gil;
use crate::store::cell::Shared;

/// A call of a Python function, and what its result means.
trait Question: Send {
    fn call<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;

    /// Passes the result on; if it could be awaited, what came of that.
    fn answer(&mut self, result: &Bound<'_, PyAny>) -> PyResult<()>;
}

/// A question whose answer is an `R`.
struct Asking<R, Q, A> {
    question: Option<Q>,
    answer: Option<(A, oneshot::Sender<R>)>,
}

impl<R, Q, A> Question for Asking<R, Q, A>
where
    R: Send,
    Q: for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send,
    A: FnOnce(&Bound<'_, PyAny>) -> PyResult<R> + Send,
{
    fn call<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.question.take() {
            Some(question) => question(py),
            None => Ok(py.None().into_bound(py)),
        }
    }

    fn answer(&mut self, result: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Some((answer, sender)) = self.answer.take() {
            // Whoever asked may be gone: nothing is lost.
            let _ = sender.send(answer(result)?);
        }
        Ok(())
    }
}

/// A question that is asked while the guest is suspended: it may be awaited.
struct Suspending(Box<dyn Question>);

impl HostCall for Suspending {
    fn at_rest(&self) -> bool {
        false
    }

    fn call<'py>(&mut self, py: Python<'py>, _shared: &Arc<Shared>) -> PyResult<Bound<'py, PyAny>> {
        self.0.call(py)
    }

    fn complete(&mut self, result: Bound<'_, PyAny>, _shared: &Arc<Shared>) -> PyResult<()> {
        self.0.answer(&result)
    }
}

#[derive(Default)]
struct Queue {
    questions: VecDeque<Box<dyn Question>>,
    /// Wakes the thread that waits, if one does.
    waiting: Option<Waker>,
}

/// The questions of one store.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<Mutex<Queue>>);

impl Asked {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks Python: calls `question`, and takes its result, or what comes of awaiting that, with `answer`. `None`: an
    /// exception was raised, which ends the call of the guest.
    pub(crate) fn ask<R, Q, A>(
        &self,
        question: Q,
        answer: A,
    ) -> impl Future<Output = Option<R>> + Send + Sync + use<R, Q, A>
    where
        R: Send + 'static,
        Q: for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send + 'static,
        A: FnOnce(&Bound<'_, PyAny>) -> PyResult<R> + Send + 'static,
    {
        let (sender, answered) = oneshot::channel();
        let question = Box::new(Asking { question: Some(question), answer: Some((answer, sender)) });
        let waiting = {
            let mut queue = self.lock();
            queue.questions.push_back(question);
            queue.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        async { answered.await.ok() }
    }

    /// Answers what has been asked. The exception of an answer is the error.
    fn answer(&self, fiber: Option<&Fiber>) -> wasmtime::Result<bool> {
        let mut any = false;
        loop {
            let question = self.lock().questions.pop_front();
            match (question, fiber) {
                (Some(question), Some(fiber)) => fiber.request(Arc::new(Mutex::new(Suspending(question))))?,
                (Some(mut question), None) => gil::attached(|py| {
                    let result = question.call(py)?;
                    if asyncio::is_awaitable(&result) {
                        return Err(asyncio::refuse(&result, asyncio::USE_CALL_ASYNC));
                    }
                    question.answer(&result)
                })?,
                (None, _) => return Ok(any),
            }
            any = true;
        }
    }

    /// Runs a future that has to do with the network to its end, or until Ctrl-C or a deadline ends the wait.
    ///
    /// On a fiber, in an asynchronous call, the guest is suspended meanwhile.
    pub(crate) fn block_on<F: Future + Send>(&self, future: F, waiter: &Waiter) -> wasmtime::Result<F::Output> {
        let runtime = background::runtime()?;
        let mut future = pin!(future);
        if let Some(fiber) = &waiter.fiber {
            let waker = fiber.waker();
            let mut alarm = waiter.alarm(runtime);
            loop {
                self.lock().waiting = Some(waker.clone());
                let polled = {
                    let _entered = runtime.enter();
                    let mut cx = Context::from_waker(&waker);
                    alarm.set(&mut cx);
                    future.as_mut().poll(&mut cx)
                };
                let answered = self.answer(Some(fiber))?;
                if let Poll::Ready(output) = polled {
                    return Ok(output);
                }
                if !answered {
                    fiber.suspend()?;
                }
                waiter.check()?;
            }
        }
        let waker = Waker::from(Arc::new(Alarm(thread::current())));
        loop {
            self.lock().waiting = Some(waker.clone());
            let polled = {
                let _entered = runtime.enter();
                future.as_mut().poll(&mut Context::from_waker(&waker))
            };
            let answered = self.answer(None)?;
            if let Poll::Ready(output) = polled {
                return Ok(output);
            }
            if !answered {
                thread::park_timeout(background::TICK);
            }
            waiter.check_rarely()?;
        }
    }
}

/// Ends the parking of a thread.
struct Alarm(Thread);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
