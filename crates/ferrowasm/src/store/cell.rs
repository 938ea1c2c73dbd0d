//! Access to a store: who may use it, and through which context.
//!
//! The engine demands that during a call only the innermost context is used, while Python code may use the `Store`
//! object anywhere. So each store has a *slot*: it holds the one context that may be used now. Entering the store takes
//! the context out of the slot, leaving puts it back; while a host function runs Python code, the context of that host
//! function is in the slot. An empty slot means that the engine is in the middle of an operation (a limiter or a WASI
//! stream calls Python while the store's data is borrowed) and that nothing may enter.
//!
//! The slot belongs to one thread at a time, recorded in `owner`. See `docs/design.md`.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use wasmtime::{AsContextMut, Caller, StoreContextMut};

use super::Store;
use super::data::Data;
use super::objects::Objects;
use super::views::Views;
use crate::asyncio::fibers::Fibers;
use crate::errors::Misuse;
use crate::gil;
use crate::interrupt::{self, deadline::Deadlines, waits::Memories};
use crate::thread::{self, Thread};

/// `Shared::owner` of a store that no thread is in.
const IDLE: usize = 0;
/// `Shared::owner` of a store whose `__init__` has not run. Thread tokens are even, and never 0.
const UNINITIALISED: usize = 1;
/// `Shared::owner` of a store that was closed.
const CLOSED: usize = 3;
/// `Shared::owner` of a store whose asynchronous call is suspended: nobody is inside, and nobody may enter but the one
/// who resumes the call.
const SUSPENDED: usize = 5;

/// A context whose lifetime is kept by the slot protocol instead of the borrow checker.
#[derive(Clone, Copy)]
enum Parked {
    Store(NonNull<wasmtime::Store<Data>>),
    Caller(NonNull<Caller<'static, Data>>),
    Context(NonNull<StoreContextMut<'static, Data>>),
    /// The store, for a host function that is suspended on a fiber.
    Suspended(Root),
}

/// The address of the engine's store.
#[derive(Clone, Copy)]
struct Root(NonNull<wasmtime::Store<Data>>);
/// How a store was entered: what an `Entry` is made of, for an asynchronous call to keep.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    parked: Parked,
}

// SAFETY: as for `Shared`, whose slot holds the same pointers.
unsafe impl Send for Place {}

/// What a store, its callers and its host functions know about it in common.
pub(crate) struct Shared {
    /// Unique in the process; objects made in a store carry it, which is how use with another store is noticed.
    pub(crate) id: u64,
    owner: AtomicUsize,
    slot: UnsafeCell<Option<Parked>>,
    /// The Python objects that the store keeps alive.
    pub(crate) objects: Objects,
    pub(crate) views: Views,
    pub(crate) deadlines: Arc<Deadlines>,
    /// The shared memories in which its code may wait.
    pub(crate) memories: Memories,
    /// The engine's store.
    root: OnceLock<Root>,
    /// The asynchronous calls that are under way.
    pub(crate) fibers: Fibers,
    /// A weak reference to the `Store` object, for what is made inside a callback and has to keep the store alive.
    weak: OnceLock<Py<PyWeakrefReference>>,
}

// SAFETY: `slot` is only touched by the thread whose token is in `owner` (see `StoreCell::enter`), the other fields are
// `Sync` by themselves.
unsafe impl Sync for Shared {}
// SAFETY: the pointers in `slot` are only followed by the thread whose token is in `owner`, and what they point to is
// `Send`.
unsafe impl Send for Shared {}

impl Shared {
    fn new() -> Shared {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Shared {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            owner: AtomicUsize::new(UNINITIALISED),
            slot: UnsafeCell::new(None),
            objects: Objects::default(),
            views: Views::default(),
            deadlines: Arc::default(),
            memories: Memories::default(),
            root: OnceLock::new(),
            fibers: Fibers::default(),
            weak: OnceLock::new(),
        }
    }

    /// Lets `store_object` find the `Store` object that this belongs to.
    pub(crate) fn set_store_object(&self, store: &Bound<'_, Store>) -> PyResult<()> {
        let weak = PyWeakrefReference::new(store)?.unbind();
        let _ = self.weak.set(weak);
        Ok(())
    }

    /// The `Store` object. It is alive while anyone is inside the store.
    pub(crate) fn store_object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Store>> {
        let store = self.weak.get().and_then(|weak| weak.bind(py).upgrade());
        store.map(|store| store.cast_into::<Store>().map_err(Into::into)).unwrap_or(Err(Misuse::Closed("Store").into()))
    }

    fn refusal(owner: usize) -> Misuse {
        match owner {
            UNINITIALISED => Misuse::Uninitialised("Store"),
            CLOSED => Misuse::Closed("Store"),
            SUSPENDED => Misuse::Suspended,
            _ => Misuse::OtherThread,
        }
    }

    /// Enters a store from within one of its own calls, as `Caller` and `StoreContext` do.
    pub(crate) fn enter_nested(&self) -> Result<Entry<'_>, Misuse> {
        match self.owner.load(Ordering::Acquire) {
            owner if owner == thread::token() => self.take(),
            IDLE => Err(Misuse::Expired("Caller")),
            owner => Err(Self::refusal(owner)),
        }
    }

    /// Takes the context out of the slot. The running thread owns the store.
    fn take(&self) -> Result<Entry<'_>, Misuse> {
        // SAFETY: the running thread owns the store, so no other thread touches the slot; the reference does not
        // outlive this statement.
        match unsafe { (*self.slot.get()).take() } {
            Some(parked) => Ok(Entry { shared: self, parked }),
            // A host function of an asynchronous call runs Python code, and a further call that it has begun is
            // suspended.
            None if self.fibers.has_suspended_call() => Err(Misuse::Suspended),
            None => Err(Misuse::Busy),
        }
    }

    /// Why the running thread cannot use a store that it is not inside of.
    pub(crate) fn obstacle(&self) -> Misuse {
        Self::refusal(self.owner.load(Ordering::Acquire))
    }

    /// Lets Python code of a suspended host function use the store.
    pub(crate) fn put_suspended(&self) {
        // SAFETY: the running thread owns the store. Nothing uses the contexts on the fiber until that is resumed, before
        // which `take_suspended` empties the slot.
        unsafe { *self.slot.get() = self.root.get().copied().map(Parked::Suspended) };
    }

    /// A context of the store, for a host function on a fiber.
    ///
    /// # Safety
    ///
    /// A call of the store is under way on this thread, and no other context of the store is used while this one lives.
    pub(crate) unsafe fn context(&self) -> Option<StoreContextMut<'_, Data>> {
        // SAFETY: the store is alive while one of its calls is under way; the rest is the contract.
        self.root.get().copied().map(|mut root| unsafe { root.0.as_mut() }.as_context_mut())
    }

    /// Ends `put_suspended`.
    pub(crate) fn take_suspended(&self) {
        // SAFETY: the running thread owns the store.
        unsafe { *self.slot.get() = None };
    }

    /// Leaves the store, whose asynchronous call is suspended.
    pub(crate) fn suspend(&self) {
        self.owner.store(SUSPENDED, Ordering::Release);
    }

    /// Enters the store to go on with its asynchronous call.
    pub(crate) fn resume(&self) -> Result<(), Misuse> {
        self.owner
            .compare_exchange(SUSPENDED, thread::token(), Ordering::Acquire, Ordering::Acquire)
            .map(drop)
            .map_err(Self::refusal)
    }

    /// The entry from which an asynchronous call has begun, which is over.
    ///
    /// # Safety
    ///
    /// `place` is that of an `Entry` of this store, its call is gone, the running thread owns the store, and what was
    /// in the slot then is still alive.
    pub(crate) unsafe fn reenter(&self, place: Place) -> Entry<'_> {
        Entry { shared: self, parked: place.parked }
    }

    /// Makes the context of a host function of a component the one to use until the guard is dropped; see
    /// `Parking::new`.
    pub(crate) fn park_context<'c>(&'c self, ctx: &'c mut StoreContextMut<'_, Data>) -> Unpark<'c> {
        self.put(Parked::Context(NonNull::from(ctx).cast::<StoreContextMut<'static, Data>>()))
    }

    /// The same for signal handlers, which run in the middle of WebAssembly.
    ///
    /// While the epoch callback runs, the engine has taken it out of the store; calls that handlers make would end at
    /// the next tick. So the store gets another one, which the engine replaces when the callback returns.
    pub(crate) fn park_interrupted<'c>(&'c self, ctx: &'c mut StoreContextMut<'_, Data>) -> Unpark<'c> {
        debug_assert!(self.runs_here());
        if let Some(mut root) = self.root.get().copied() {
            // SAFETY: a call of the store is under way on this thread, so the store is alive and this thread's alone.
            // All contexts of it are at rest while `ctx` is borrowed, and the engine, which reads the callback anew
            // when the one that is running returns, finds what it expects in the store: some callback.
            unsafe { root.0.as_mut() }.epoch_deadline_callback(interrupt::on_epoch);
        }
        self.put(Parked::Context(NonNull::from(ctx).cast::<StoreContextMut<'static, Data>>()))
    }

    fn put(&self, parked: Parked) -> Unpark<'_> {
        debug_assert_eq!(self.owner.load(Ordering::Relaxed), thread::token());
        // SAFETY: the running thread owns the store. The pointer is used only while it is in the slot or in an `Entry`
        // that was taken from the slot and that is dropped before the guard; the callers give out the guard for no
        // longer than they borrow the context mutably, and it empties the slot when it goes.
        unsafe { *self.slot.get() = Some(parked) };
        Unpark { shared: self }
    }

    /// Whether the running thread is inside the store.
    pub(crate) fn runs_here(&self) -> bool {
        self.runs_on(thread::token())
    }

    /// Whether the thread with this token is inside the store.
    pub(crate) fn runs_on(&self, thread: usize) -> bool {
        self.owner.load(Ordering::Acquire) == thread
    }

    /// Whether the call that is under way is to end, or to be suspended.
    pub(crate) fn is_to_end(&self) -> bool {
        self.deadlines.check().is_err() || self.fibers.is_stopping()
    }
}

/// The context of a host function is in the slot for as long as this lives.
pub(crate) struct Unpark<'c> {
    shared: &'c Shared,
}

impl Drop for Unpark<'_> {
    fn drop(&mut self) {
        // SAFETY: the running thread owns the store; every `Entry` taken from the slot since `put` has been put back,
        // since entries live on the stack above this guard.
        unsafe { *self.shared.slot.get() = None };
    }
}

/// The caller of a host function is in the slot for as long as this lives.
pub(crate) struct Parking<'c> {
    shared: &'c Shared,
    _unpark: Unpark<'c>,
    caller: NonNull<Caller<'static, Data>>,
}

impl<'c> Parking<'c> {
    /// Makes the context of a host function the one to use until the guard is dropped.
    ///
    /// To be called by host functions only, which run on the thread that owns the store and find the slot empty: the
    /// call that led to them holds the `Entry`.
    pub(crate) fn new(caller: &'c mut Caller<'_, Data>) -> Parking<'c> {
        // SAFETY: the store's data holds an `Arc` of it, which nobody replaces, and outlives the caller. To count one
        // more reference would cost a third of a callback.
        let shared: &'c Shared = unsafe { &*Arc::as_ptr(&caller.data().shared) };
        let caller = NonNull::from(caller).cast::<Caller<'static, Data>>();
        Parking { shared, _unpark: shared.put(Parked::Caller(caller)), caller }
    }

    /// The right to use the store, which is at rest.
    pub(crate) fn enter(&self) -> Result<Entry<'_>, Misuse> {
        self.shared.enter_nested()
    }

    /// The address of the parked caller, for a Python `Caller` that wants to ask it for exports.
    pub(crate) fn caller(&self) -> CallerPtr {
        CallerPtr(self.caller)
    }
}

/// The address of a `Caller` on the stack of a host function.
#[derive(Clone, Copy)]
pub(crate) struct CallerPtr(NonNull<Caller<'static, Data>>);

impl CallerPtr {
    pub(crate) fn new(caller: &mut Caller<'_, Data>) -> CallerPtr {
        CallerPtr(NonNull::from(caller).cast::<Caller<'static, Data>>())
    }
}

// SAFETY: the pointer is followed only by `get_export`, whose contract demands the thread of the host function.
unsafe impl Send for CallerPtr {}
// SAFETY: as for `Send`.
unsafe impl Sync for CallerPtr {}

impl CallerPtr {
    /// Looks up an export of the instance that called the host function.
    ///
    /// # Safety
    ///
    /// The host function has not returned, the running thread owns its store, and `entry` is that store's entry: so
    /// nothing else uses the store.
    pub(crate) unsafe fn get_export(self, _entry: &mut Entry<'_>, name: &str) -> Option<wasmtime::Extern> {
        // SAFETY: the caller is alive, by contract. Where it is not the innermost context, the engine has made the
        // contexts of the inner calls anew from its own raw pointers, and all of them are at rest while `entry` is
        // held.
        unsafe { (*self.0.as_ptr()).get_export(name) }
    }
}

/// The right to use a store, until it is dropped.
pub(crate) struct Entry<'s> {
    pub(crate) shared: &'s Shared,
    parked: Parked,
}

// SAFETY: an entry is lent to the closure that runs while the interpreter is detached, on the same thread
// (`Python::detach` runs it in place); it is never moved to another thread.
unsafe impl Send for Entry<'_> {}

impl Entry<'_> {
    #[inline(always)]
    pub(crate) fn ctx(&mut self) -> StoreContextMut<'_, Data> {
        match &mut self.parked {
            // SAFETY: the pointer was taken out of the slot, so it is the store's only context in use, and its referent
            // outlives the entry: the root store is not dropped while a thread owns the cell, a parked caller not
            // before its guard.
            Parked::Store(store) => unsafe { store.as_mut() }.as_context_mut(),
            // SAFETY: as above.
            Parked::Caller(caller) => unsafe { caller.as_mut() }.as_context_mut(),
            // SAFETY: as above; the fiber of the suspended host function is not resumed while the entry is used.
            Parked::Suspended(root) => unsafe { root.0.as_mut() }.as_context_mut(),
            // SAFETY: as above.
            Parked::Context(ctx) => unsafe { ctx.as_mut() }.as_context_mut(),
        }
    }

    /// The engine's store itself, for what a context cannot do; `None` while a call of the store is under way.
    pub(crate) fn root(&mut self) -> Option<&mut wasmtime::Store<Data>> {
        match &mut self.parked {
            // SAFETY: as in `ctx`.
            Parked::Store(store) => Some(unsafe { store.as_mut() }),
            Parked::Caller(_) | Parked::Context(_) | Parked::Suspended(_) => None,
        }
    }

    /// Whether Python code of a host function that is suspended on a fiber has entered the store: then WebAssembly has
    /// to run, and garbage to be collected, on the fiber.
    pub(crate) fn is_suspended(&self) -> bool {
        matches!(self.parked, Parked::Suspended(_))
    }

    /// Whether the store is at rest, or a host function is suspended on a fiber: then asynchronous calls can begin.
    pub(crate) fn may_await(&self) -> bool {
        self.is_outermost() || self.is_suspended()
    }

    /// Gives the right to use the store to an asynchronous call, which gives it back with `Shared::reenter`.
    pub(crate) fn hand_over(self) -> Place {
        let entry = ManuallyDrop::new(self);
        Place { parked: entry.parked }
    }

    /// The stack, in bytes, that a call needs from here: `None` when a call of the store is under way, which has
    /// seen to it.
    ///
    /// To be asked right before the call: it also sees to that the call can be interrupted.
    #[inline]
    pub(crate) fn room(&mut self) -> Option<usize> {
        self.is_outermost().then(|| self.begin())
    }

    /// The same for an outermost call.
    #[inline(always)]
    pub(crate) fn begin(&mut self) -> usize {
        let mut ctx = self.ctx();
        interrupt::begin(&mut ctx);
        ctx.data().needed_stack
    }

    /// Leaves the store at the end of an ordinary call, in which PyO3 does not count the thread as attached.
    #[inline(always)]
    pub(crate) fn leave(self, py: Python<'_>) {
        let entry = ManuallyDrop::new(self);
        entry.vacate();
        let objects = &entry.shared.objects;
        if objects.any_to_bury() {
            gil::counted(py, |_| objects.bury());
        }
    }

    #[inline(always)]
    fn vacate(&self) {
        if self.is_outermost() {
            self.shared.owner.store(IDLE, Ordering::Release);
        } else {
            // SAFETY: the running thread owns the store.
            unsafe { *self.shared.slot.get() = Some(self.parked) };
        }
    }

    /// Whether no call of the store is under way.
    #[inline]
    pub(crate) fn is_outermost(&self) -> bool {
        matches!(self.parked, Parked::Store(_))
    }
}

impl Drop for Entry<'_> {
    #[inline]
    fn drop(&mut self) {
        self.vacate();
        self.shared.objects.bury();
    }
}

/// The engine's store, and what guards it.
pub(crate) struct StoreCell {
    pub(crate) shared: Arc<Shared>,
    root: UnsafeCell<Option<Box<wasmtime::Store<Data>>>>,
}

// SAFETY: `root` is only touched by the thread that moved `owner` from `IDLE` or `UNINITIALISED` to its own token.
unsafe impl Sync for StoreCell {}

impl StoreCell {
    pub(crate) fn new() -> StoreCell {
        StoreCell { shared: Arc::new(Shared::new()), root: UnsafeCell::new(None) }
    }

    fn claim(&self, from: usize) -> Result<(), usize> {
        self.shared.owner.compare_exchange(from, thread::token(), Ordering::Acquire, Ordering::Acquire).map(drop)
    }

    /// Gives the cell its store; refused (with the store handed back to be dropped) when it has or had one.
    pub(crate) fn initialise(&self, store: wasmtime::Store<Data>) -> bool {
        if self.claim(UNINITIALISED).is_err() {
            return false;
        }
        // SAFETY: this thread owns the cell.
        let store = unsafe { (*self.root.get()).insert(Box::new(store)) };
        let _ = self.shared.root.set(Root(NonNull::from(&mut **store)));
        self.shared.owner.store(IDLE, Ordering::Release);
        true
    }

    /// `enter` for calls, which are many.
    #[inline]
    pub(crate) fn enter_attached(&self, py: Python<'_>, thread: &Thread) -> Result<Entry<'_>, Misuse> {
        match self.enter_idle(py, thread) {
            Some(entry) => Ok(entry),
            None => self.enter(),
        }
    }

    /// Enters the store at the top; `None` if a call of it is under way, or it cannot be used, or that is not found out so
    /// easily.
    ///
    /// The interpreter lock makes of a load and a store what otherwise takes an atomic exchange: nobody claims a store
    /// without it. (Giving it back is a single store, which can be seen before or after.)
    #[inline(always)]
    pub(crate) fn enter_idle(&self, _py: Python<'_>, thread: &Thread) -> Option<Entry<'_>> {
        if cfg!(Py_GIL_DISABLED) || self.shared.owner.load(Ordering::Acquire) != IDLE {
            return None;
        }
        self.shared.owner.store(thread.token(), Ordering::Relaxed);
        // SAFETY: this thread owns the cell, as in `enter`.
        let store = unsafe { (*self.root.get()).as_deref_mut().unwrap_unchecked() };
        Some(Entry { shared: &self.shared, parked: Parked::Store(NonNull::from(store)) })
    }

    /// Enters the store, at the top or from within one of its calls.
    ///
    /// This and everything else that claims the store is called with the interpreter attached: see `enter_idle`.
    pub(crate) fn enter(&self) -> Result<Entry<'_>, Misuse> {
        match self.claim(IDLE) {
            Ok(()) => {
                // SAFETY: this thread owns the cell, which is initialised and not closed, since `owner` was `IDLE`.
                let store = unsafe { (*self.root.get()).as_deref_mut().unwrap_unchecked() };
                Ok(Entry { shared: &self.shared, parked: Parked::Store(NonNull::from(store)) })
            }
            Err(owner) if owner == thread::token() => self.shared.take(),
            Err(owner) => Err(Shared::refusal(owner)),
        }
    }

    /// Takes the store out for good, so that the caller can drop it. `Ok(None)`: it was closed before, or never
    /// initialised, or views of its memories are in use, the last of which takes it out (`reap`).
    pub(crate) fn close(&self) -> Result<Option<Box<wasmtime::Store<Data>>>, Misuse> {
        match self.claim(IDLE).or_else(|owner| if owner == UNINITIALISED { self.claim(owner) } else { Err(owner) }) {
            Ok(()) => {
                // SAFETY: this thread owns the cell.
                let store = if self.shared.views.any() { None } else { unsafe { (*self.root.get()).take() } };
                self.shared.owner.store(CLOSED, Ordering::Release);
                Ok(store)
            }
            Err(CLOSED) => Ok(None),
            Err(SUSPENDED) => Err(Misuse::Suspended),
            Err(owner) if owner == thread::token() => Err(Misuse::CloseInside),
            Err(_) => Err(Misuse::OtherThread),
        }
    }

    /// Ends the asynchronous calls of a store that is garbage: nobody will resume them.
    pub(crate) fn abandon(&self) {
        if self.shared.resume().is_ok() {
            self.shared.cut(0);
            self.shared.owner.store(IDLE, Ordering::Release);
            self.shared.fibers.bury();
        }
    }

    /// Frees a store that was closed while views of its memories were in use, if that was the last one.
    pub(crate) fn reap(&self) {
        if !self.shared.views.any() && self.claim(CLOSED).is_ok() {
            // SAFETY: this thread owns the cell.
            let store = unsafe { (*self.root.get()).take() };
            self.shared.owner.store(CLOSED, Ordering::Release);
            drop(store);
        }
    }
}

impl Drop for StoreCell {
    fn drop(&mut self) {
        self.abandon();
    }
}
