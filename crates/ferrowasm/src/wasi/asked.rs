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
use crate::gil;

type Question = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

#[derive(Default)]
struct Queue {
    questions: VecDeque<Question>,
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

    /// Asks Python. `None`: an exception was raised, which ends the call of the guest.
    pub(crate) fn ask<R: Send + 'static, Q: FnOnce(Python<'_>) -> PyResult<R> + Send + 'static>(
        &self,
        question: Q,
    ) -> impl Future<Output = Option<R>> + Send + Sync + use<R, Q> {
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |py| {
            // Whoever asked may be gone: nothing is lost.
            let _ = answer.send(question(py)?);
            Ok(())
        });
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

    fn has_questions(&self) -> bool {
        !self.lock().questions.is_empty()
    }

    /// Answers what has been asked. The exception of an answer is the error.
    fn answer(&self) -> wasmtime::Result<bool> {
        let mut any = false;
        loop {
            let question = self.lock().questions.pop_front();
            match question {
                Some(question) => gil::attached(question)?,
                None => return Ok(any),
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
            loop {
                self.lock().waiting = Some(waker.clone());
                let polled = {
                    let _entered = runtime.enter();
                    future.as_mut().poll(&mut Context::from_waker(&waker))
                };
                let answered = self.has_questions() && fiber.aside(|| self.answer())??;
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
            let answered = self.answer()?;
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
