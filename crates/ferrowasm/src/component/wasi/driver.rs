//! How futures of the engine are run for a guest.

use std::future::Future;

use wasmtime::StoreContextMut;
use wasmtime_wasi::p2::{StreamError, StreamResult};

use crate::asyncio::Fiber;
use crate::store::Data;
use crate::wasi::network::Asked;
use crate::wasi::wait::Waiter;

/// Runs futures on behalf of a guest, on its thread.
pub(super) struct Driver {
    waiter: Waiter,
    /// For guests that may use the network: sockets need the background runtime, and ask Python.
    network: Option<Asked>,
}

impl Driver {
    pub(super) fn new(data: &mut Data) -> Driver {
        Driver { waiter: data.waiter(), network: data.wasi().network() }
    }

    /// Runs a future to its end, or until Ctrl-C or a deadline ends the wait.
    pub(super) fn block_on<F: Future + Send>(&self, future: F) -> wasmtime::Result<F::Output> {
        self.waiter.check_rarely()?;
        match &self.network {
            Some(asked) => asked.block_on(future, &self.waiter),
            None => self.waiter.block_on(future),
        }
    }
}

/// Runs `work`, which may call Python code, while that code may use the store.
///
/// On a fiber, work that `is_python` is done by the driver of the call, on the ordinary stack; other work waits on the
/// fiber.
pub(super) fn at_rest<R: Send>(
    ctx: &mut StoreContextMut<'_, Data>,
    is_python: bool,
    work: impl FnOnce() -> StreamResult<R> + Send,
) -> StreamResult<R> {
    let shared = ctx.data().shared.clone();
    if let Some(fiber) = Fiber::of(&shared) {
        return if is_python { fiber.aside(work).map_err(StreamError::Trap)? } else { work() };
    }
    let _parking = shared.park_context(ctx);
    work()
}

/// Defines functions of an interface over the engine's implementation of them.
///
/// `$view` is the method of `Data` that gives the engine's view of the store, `$host` the trait whose `$convert` turns its
/// errors into those of the interface. `as waiting` marks the engine's asynchronous functions, `as plain` those of them
/// that do not fail. `at` names the descriptor whose quota the function gets as its first argument.
macro_rules! forward {
    ($instance:ident, $view:ident, $host:path, $convert:ident: $(
        $name:literal => $trait:ident::$method:ident($($arg:ident: $ty:ty),* $(,)?) $(at $fd:ident)? $(as $kind:ident)?;
    )*) => {$(
        $instance.func_wrap($name, |mut ctx: StoreContextMut<'_, Data>, ($($arg,)*): ($($ty,)*)| {
            let driver = Driver::new(ctx.data_mut());
            $(let quota = ctx.data_mut().quota_at(&$fd);
            let $fd = (quota, $fd);)?
            let mut view = ctx.data_mut().$view();
            let result = driver.block_on(forward!(@call view $trait::$method($($arg),*) $($kind)?))?;
            forward!(@result view result <$host>::$convert $($kind)?)
        })?;
    )*};
    (@call $view:ident $trait:ident::$method:ident($($arg:ident),*)) => {
        async { $trait::$method(&mut $view, $($arg),*) }
    };
    (@call $view:ident $trait:ident::$method:ident($($arg:ident),*) $kind:ident) => {
        $trait::$method(&mut $view, $($arg),*)
    };
    (@result $view:ident $result:ident <$host:path>::$convert:ident plain) => {
        Ok(($result?,))
    };
    (@result $view:ident $result:ident <$host:path>::$convert:ident $($kind:ident)?) => {{
        use $host as Host;
        Ok((match $result {
            Ok(value) => Ok(value),
            Err(error) => Err(Host::$convert(&mut $view, error)?),
        },))
    }};
}
pub(super) use forward;
