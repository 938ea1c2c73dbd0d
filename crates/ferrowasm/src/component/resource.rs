//! Resources: `ResourceType`, `ResourceAny` for any resource, `ResourceHost` for those that the host defines by number.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyString;
use wasmtime::StoreContextMut;
use wasmtime::component::ResourceDynamic;

use super::operations;
use crate::asyncio::{self, Call, Outcome, Work};
use crate::errors::{Misuse, OrRaise, exception};
use crate::managed::{Managed, managed};
use crate::numbers;
use crate::store::cell::{Entry, Shared};
use crate::store::objects::HostResource;
use crate::store::{Data, StoreArg};

/// The type of a resource. Types are equal when they are the same type: a guest's type belongs to one instance.
#[pyclass(frozen, module = "ferrowasm.component")]
pub(crate) struct ResourceType {
    ty: Managed<wasmtime::component::ResourceType>,
    /// For a type that the host defines.
    number: Option<u32>,
}

impl ResourceType {
    pub(crate) fn wrap(ty: wasmtime::component::ResourceType) -> ResourceType {
        ResourceType { ty: Managed::new("ResourceType", ty), number: None }
    }

    /// The number of a type that was made by `host`.
    pub(super) fn number(&self) -> Option<u32> {
        self.number
    }

    pub(crate) fn get(&self) -> Result<wasmtime::component::ResourceType, Misuse> {
        self.ty.get().copied()
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.ty.close();
        Ok(())
    }
}

#[pymethods]
impl ResourceType {
    /// A type that the host defines, identified by `val`, an int from 0 to 2**32 - 1.
    #[staticmethod]
    fn host(val: &Bound<'_, PyAny>) -> PyResult<ResourceType> {
        let number = numbers::unsigned(val, "val", u64::from(u32::MAX))? as u32;
        let ty = wasmtime::component::ResourceType::host_dynamic(number);
        Ok(ResourceType { number: Some(number), ..ResourceType::wrap(ty) })
    }

    /// The type itself: every item that a component imports or exports has this.
    #[getter]
    fn ty(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __eq__(&self, other: &Self) -> PyResult<bool> {
        Ok(self.get()? == other.get()?)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        // The engine's type has no hash; equal types print alike.
        PyString::new(py, &format!("{:?}", self.get()?)).hash()
    }

    fn __repr__(&self) -> &'static str {
        if self.ty.get().is_ok() { "<ResourceType>" } else { "<ResourceType (closed)>" }
    }
}

managed!(ResourceType);

/// What has become of a resource.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Alive,
    /// Its ownership went to a guest, or into another handle.
    Moved,
    Dropped,
    /// It was lent to a callback that has returned.
    Returned,
    Closed,
}

/// The state of a handle, which changes once: from `Alive` to one of the others.
struct Life(AtomicU8);

impl Life {
    fn new() -> Life {
        Life(AtomicU8::new(State::Alive as u8))
    }

    fn check(&self, py: Python<'_>) -> PyResult<()> {
        let (class, why) = match self.0.load(Ordering::Acquire) {
            state if state == State::Alive as u8 => return Ok(()),
            state if state == State::Moved as u8 => ("ClosedError", "its ownership was passed on"),
            state if state == State::Dropped as u8 => ("ClosedError", "it was dropped"),
            state if state == State::Closed as u8 => ("ClosedError", "it was closed"),
            _ => ("ExpiredError", "it was lent to a callback, which has returned"),
        };
        Err(exception(py, class, &format!("this resource cannot be used any more: {why}")))
    }

    fn is_alive(&self) -> bool {
        self.0.load(Ordering::Acquire) == State::Alive as u8
    }

    /// Ends the life of a handle that is alive.
    fn end(&self, py: Python<'_>, state: State) -> PyResult<()> {
        if self.try_end(state) { Ok(()) } else { self.check(py) }
    }

    /// The same; whether it was alive.
    fn try_end(&self, state: State) -> bool {
        self.0.compare_exchange(State::Alive as u8, state as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn revive(&self) {
        self.0.store(State::Alive as u8, Ordering::Release);
    }
}

/// Owned resources whose Python objects are gone, but that were not dropped: a destructor is guest code, which cannot
/// run wherever Python releases an object. The next call of a component's function in the store drops them.
#[derive(Default)]
pub(crate) struct Abandoned {
    resources: Mutex<Vec<wasmtime::component::ResourceAny>>,
    any: AtomicBool,
}

impl Abandoned {
    fn push(&self, resource: wasmtime::component::ResourceAny) {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner).push(resource);
        self.any.store(true, Ordering::Release);
    }

    fn take(&self) -> Vec<wasmtime::component::ResourceAny> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *self.resources.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was abandoned in a store, unless one of its calls is under way: then the instance may not be entered.
pub(super) fn take_abandoned(data: &Data) -> Vec<wasmtime::component::ResourceAny> {
    if data.shared.fibers.depth() == 0 { data.abandoned.take() } else { Vec::new() }
}

/// Drops what was abandoned in a store that does not need a fiber, unless one of its calls is under way.
pub(super) fn drop_abandoned(py: Python<'_>, entry: &mut Entry<'_>) -> PyResult<()> {
    if !entry.is_outermost() {
        return Ok(());
    }
    // The store is at rest, so no asynchronous call is under way.
    let resources = entry.ctx().data().abandoned.take();
    resources.into_iter().try_for_each(|resource| super::run(py, entry, |ctx| resource.resource_drop(ctx)))
}

/// A resource of a guest or of the host. It belongs to one store.
///
/// An owned resource is dropped with `drop(store)`, unless it is given away as an argument for `own`. When Python lets
/// go of one without either, the next call of a component's function in the store drops it. A borrowed one is valid
/// until the callback that received it returns.
#[pyclass(frozen, weakref, module = "ferrowasm.component")]
pub(crate) struct ResourceAny {
    resource: wasmtime::component::ResourceAny,
    /// What it was made from, if that was a `ResourceHost`.
    host: Option<HostResource>,
    home: OnceLock<Home>,
    life: Life,
}

/// The store of a resource.
struct Home {
    store_id: u64,
    abandoned: Arc<Abandoned>,
}

impl Drop for ResourceAny {
    fn drop(&mut self) {
        if let Some(home) = self.home.get()
            && self.resource.owned()
            && self.life.is_alive()
        {
            home.abandoned.push(self.resource);
        }
    }
}

impl ResourceAny {
    /// A resource that a guest gave; `set_store` has to follow.
    pub(crate) fn lifted(resource: wasmtime::component::ResourceAny) -> ResourceAny {
        ResourceAny { resource, host: None, home: OnceLock::new(), life: Life::new() }
    }

    pub(crate) fn set_store(&self, data: &Data) {
        let _ = self.home.set(Home { store_id: data.shared.id, abandoned: data.abandoned.clone() });
    }

    fn store_id(&self) -> u64 {
        // Stores are counted from 1.
        self.home.get().map_or(0, |home| home.store_id)
    }

    /// The resource, to be passed to a guest of the store.
    pub(crate) fn to_lower(&self, store_id: u64) -> PyResult<wasmtime::component::ResourceAny> {
        if self.store_id() != store_id {
            return Err(Misuse::WrongStore("ResourceAny").into());
        }
        Python::attach(|py| self.life.check(py))?;
        Ok(self.resource)
    }

    /// Ends a borrow, which has to be given back when the callback that received it returns.
    pub(crate) fn take_borrow(&self) -> Option<wasmtime::component::ResourceAny> {
        (!self.resource.owned() && self.life.try_end(State::Returned)).then_some(self.resource)
    }

    /// Enters its store.
    pub(super) fn enter<'a>(&self, store: &'a Bound<'_, PyAny>) -> PyResult<Entry<'a>> {
        StoreArg::new(store)?.enter_own(self.store_id(), "ResourceAny")
    }

    /// Ends its life, and makes the future that drops it.
    pub(super) fn begin_drop<'c>(&self, py: Python<'_>, mut ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        self.life.end(py, State::Dropped)?;
        let resource = self.resource;
        Ok(Box::pin(async move {
            resource.resource_drop_async(&mut ctx).await?;
            Ok(Outcome::Nothing)
        }))
    }

    /// What was kept for it, to be let go of after it was dropped.
    pub(super) fn take_kept(&self, shared: &Shared) -> Option<Py<PyAny>> {
        self.host.and_then(|host| shared.objects.take_resource(host))
    }

    /// As if Python had let go of it.
    fn close_native(&self, py: Python<'_>) -> PyResult<()> {
        if self.life.end(py, State::Closed).is_ok()
            && self.resource.owned()
            && let Some(home) = self.home.get()
        {
            home.abandoned.push(self.resource);
        }
        Ok(())
    }
}

#[pymethods]
impl ResourceAny {
    /// The type of the resource.
    #[getter]
    fn r#type(&self) -> ResourceType {
        ResourceType::wrap(self.resource.ty())
    }

    /// Whether the handle owns the resource, or borrows it.
    #[getter]
    fn owned(&self) -> bool {
        self.resource.owned()
    }

    /// Drop the resource, which runs its destructor if the handle owns it.
    ///
    /// Raises `WasmtimeError` if it was dropped or passed on before, `WrongStoreError` for another store.
    fn drop(&self, store: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = store.py();
        let mut entry = self.enter(store)?;
        if asyncio::needs_fiber(&mut entry) {
            drop(entry);
            operations::block(store, |ctx| self.begin_drop(py, ctx))?;
            entry = self.enter(store)?;
        } else {
            self.life.end(py, State::Dropped)?;
            super::run(py, &mut entry, |ctx| self.resource.resource_drop(ctx))?;
        }
        let kept = self.take_kept(entry.shared);
        // Its finaliser may use the store.
        drop(entry);
        drop(kept);
        Ok(())
    }

    /// Drop the resource asynchronously: `await resource.drop_async(store)`. A destructor that is asynchronous is
    /// awaited. See `drop` for errors.
    fn drop_async(slf: &Bound<'_, Self>, store: &Bound<'_, PyAny>) -> PyResult<Call> {
        StoreArg::new(store)?;
        Ok(Call::new(operations::Drop::new(slf, store)))
    }

    /// The same resource as a `ResourceHost`, which takes the place of this handle. Raises `WasmtimeError` if a guest
    /// defined the resource.
    fn to_host(&self, store: &Bound<'_, PyAny>) -> PyResult<ResourceHost> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id(), "ResourceAny")?;
        self.life.end(py, State::Moved)?;
        match self.resource.try_into_resource_dynamic(entry.ctx()) {
            Ok(host) => {
                let resource = HostResource { ty: host.ty(), rep: host.rep() };
                let kept = host.owned().then(|| entry.shared.objects.take_resource(resource)).flatten();
                Ok(ResourceHost::new(resource, host.owned(), kept))
            }
            Err(error) => {
                self.life.revive();
                Err(error).or_raise(py)
            }
        }
    }

    fn __repr__(&self) -> &'static str {
        if self.resource.owned() { "<ResourceAny (owned)>" } else { "<ResourceAny (borrowed)>" }
    }
}

managed!(ResourceAny);

/// A resource that the host defines: a number that means something to the host, and the number of its type.
#[pyclass(frozen, weakref, module = "ferrowasm.component")]
pub(crate) struct ResourceHost {
    resource: HostResource,
    owned: bool,
    life: Life,
    /// An object that lives as long as the resource; the store has it while a guest owns the resource.
    kept: Mutex<Option<Py<PyAny>>>,
}

impl ResourceHost {
    fn new(resource: HostResource, owned: bool, kept: Option<Py<PyAny>>) -> ResourceHost {
        ResourceHost { resource, owned, life: Life::new(), kept: Mutex::new(kept) }
    }

    fn from_python(
        rep: &Bound<'_, PyAny>,
        ty: &Bound<'_, PyAny>,
        owned: bool,
        kept: Option<Py<PyAny>>,
    ) -> PyResult<ResourceHost> {
        let number = |value, name| numbers::unsigned(value, name, u64::from(u32::MAX)).map(|number| number as u32);
        Ok(ResourceHost::new(HostResource { rep: number(rep, "rep")?, ty: number(ty, "ty")? }, owned, kept))
    }

    /// What it is, and whether it is owned, to be passed to a guest.
    pub(crate) fn to_lower(&self) -> PyResult<(HostResource, bool)> {
        Python::attach(|py| self.life.check(py))?;
        Ok((self.resource, self.owned))
    }

    fn take_kept(&self) -> Option<Py<PyAny>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Hands what lives as long as the resource over to the store whose guest owns it now.
    fn give_to(&self, shared: &Shared) {
        if let Some(kept) = self.take_kept() {
            shared.objects.keep_resource(self.resource, kept);
        }
    }

    fn close_native(&self, py: Python<'_>) -> PyResult<()> {
        if self.life.end(py, State::Closed).is_ok() {
            drop(self.take_kept());
        }
        Ok(())
    }
}

#[pymethods]
impl ResourceHost {
    /// An owned resource with the number `rep`, of the type `ResourceType.host(ty)`. Both are ints from 0 to 2**32 - 1.
    ///
    /// `keep` is kept alive until the resource is dropped, or the store of the guest that owns it goes.
    #[staticmethod]
    #[pyo3(signature = (rep, ty, *, keep=None))]
    fn own(rep: &Bound<'_, PyAny>, ty: &Bound<'_, PyAny>, keep: Option<Py<PyAny>>) -> PyResult<ResourceHost> {
        ResourceHost::from_python(rep, ty, true, keep)
    }

    /// A borrowed resource with the number `rep`, of the type `ResourceType.host(ty)`. Both are ints from 0 to 2**32 -
    /// 1.
    #[staticmethod]
    fn borrow(rep: &Bound<'_, PyAny>, ty: &Bound<'_, PyAny>) -> PyResult<ResourceHost> {
        ResourceHost::from_python(rep, ty, false, None)
    }

    /// The number of the resource.
    #[getter]
    fn rep(&self) -> u32 {
        self.resource.rep
    }

    /// The number of its type.
    #[getter]
    fn r#type(&self) -> u32 {
        self.resource.ty
    }

    /// Whether the handle owns the resource, or borrows it.
    #[getter]
    fn owned(&self) -> bool {
        self.owned
    }

    /// The same resource as a `ResourceAny` of `store`, which takes the place of an owned handle.
    fn to_any(&self, store: &Bound<'_, PyAny>) -> PyResult<ResourceAny> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter()?;
        self.life.check(py)?;
        let HostResource { ty, rep } = self.resource;
        let resource =
            if self.owned { ResourceDynamic::new_own(rep, ty) } else { ResourceDynamic::new_borrow(rep, ty) };
        let resource = resource.try_into_resource_any(entry.ctx()).or_raise(py)?;
        if self.owned {
            self.life.end(py, State::Moved)?;
            self.give_to(entry.shared);
        }
        let mut any = ResourceAny::lifted(resource);
        any.host = Some(self.resource);
        any.set_store(entry.ctx().data());
        Ok(any)
    }

    fn __repr__(&self) -> String {
        let (HostResource { rep, ty }, kind) = (self.resource, if self.owned { "owned" } else { "borrowed" });
        format!("<ResourceHost {rep} of type {ty} ({kind})>")
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.kept.try_lock() {
            Ok(kept) => visit.call(&*kept),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        drop(self.take_kept());
    }
}

managed!(ResourceHost);

/// A handle whose ownership is about to go to a guest.
pub(crate) struct Moved<'py>(Bound<'py, PyAny>);

impl<'py> Moved<'py> {
    /// Marks a `ResourceAny` or `ResourceHost` as moved; refused if it was before.
    pub(crate) fn take(handle: &Bound<'py, PyAny>) -> PyResult<Moved<'py>> {
        if let Some(life) = life_of(handle) {
            life.end(handle.py(), State::Moved)?;
        }
        Ok(Moved(handle.clone()))
    }

    /// The guest of this store gets it.
    pub(crate) fn complete(self, shared: &Shared) {
        if let Ok(host) = self.0.cast::<ResourceHost>() {
            host.get().give_to(shared);
        }
    }

    /// Gives the ownership back: the guest never got it.
    pub(crate) fn undo(self) {
        if let Some(life) = life_of(&self.0) {
            life.revive();
        }
    }
}

fn life_of<'a>(handle: &'a Bound<'_, PyAny>) -> Option<&'a Life> {
    match (handle.cast::<ResourceAny>(), handle.cast::<ResourceHost>()) {
        (Ok(any), _) => Some(&any.get().life),
        (_, Ok(host)) => Some(&host.get().life),
        _ => None,
    }
}
