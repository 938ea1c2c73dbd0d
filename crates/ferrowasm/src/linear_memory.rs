//! Linear memories for engines whose memories may move (`Config.memory_reservation` below 4 GiB).
//!
//! The engine's own memories of that kind move as soon as they outgrow their reservation, which would leave every view
//! of them dangling. These reserve what the memory's type says it may grow to, as long as the address space has room,
//! so that most of them never move; and one that has to move does not while a view of it is in use.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use wasmtime::{Error, Instance, LinearMemory, MemoryCreator, MemoryType, Result, StoreContextMut};

use crate::compile;
use crate::store::Data;

/// How many views of the memory with this base address are in use.
static VIEWS: Mutex<Option<HashMap<usize, usize>>> = Mutex::new(None);

fn views() -> MutexGuard<'static, Option<HashMap<usize, usize>>> {
    VIEWS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes that there is one more view of the memory at `base`, which then does not move.
pub(crate) fn pin(base: usize) {
    *views().get_or_insert_default().entry(base).or_default() += 1;
}

/// Notes that there is one view less.
pub(crate) fn unpin(base: usize) {
    let mut views = views();
    let views = views.get_or_insert_default();
    if let Some(count) = views.get_mut(&base) {
        *count -= 1;
        if *count == 0 {
            views.remove(&base);
        }
    }
}

/// A memory was to move while a view of it is in use.
#[derive(Debug)]
pub(crate) struct ViewInUse;

impl fmt::Display for ViewInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the memory would have to move, but a view of it is in use")
    }
}

impl std::error::Error for ViewInUse {}

/// Makes the memories of an engine.
pub(crate) struct Creator {
    /// How many bytes a memory may reserve because its type says that it may grow.
    pub(crate) speculation: usize,
}

// SAFETY: the trait asks for zero-filled memory of the sizes given, followed by the guard: see `Reserved::new`.
unsafe impl MemoryCreator for Creator {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        maximum: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let needed = minimum.max(reserved.unwrap_or(0));
        let wanted = needed.max(maximum.filter(|maximum| *maximum <= self.speculation).unwrap_or(0));
        let mapping =
            Mapping::new(wanted, guard).or_else(|_| Mapping::new(needed, guard)).map_err(|error| error.to_string())?;
        let mut memory = Memory { mapping, guard, len: 0 };
        memory.grow_to(minimum).map_err(|error| error.to_string())?;
        Ok(Box::new(memory))
    }
}

/// A memory of this type from an instance of a module that is nothing but the memory: the engine asks the `Creator` for
/// memories of instances, and makes those of the host itself.
pub(crate) fn instantiate(mut ctx: StoreContextMut<'_, Data>, ty: &MemoryType) -> Result<wasmtime::Memory> {
    let address = if ty.is_64() { "i64" } else { "i32" };
    let maximum = ty.maximum().map(|pages| pages.to_string()).unwrap_or_default();
    let page = match ty.page_size_log2() {
        16 => String::new(),
        log2 => format!("(pagesize {})", 1_u64 << log2),
    };
    let text = format!("(module (memory (export \"memory\") {address} {} {maximum} {page}))", ty.minimum());
    let module = compile::helper(&ctx.data().engine, &text)?;
    let instance = Instance::new(&mut ctx, &module, &[])?;
    instance.get_memory(&mut ctx, "memory").ok_or_else(|| Error::msg("the module of the memory does not export it"))
}

fn page_rounded(bytes: usize) -> Result<usize> {
    bytes
        .checked_next_multiple_of(rustix::param::page_size())
        .ok_or_else(|| Error::msg("the memory is too large for the address space"))
}

/// Reserved address space; the part in use is made accessible as the memory grows.
struct Mapping {
    base: NonNull<c_void>,
    capacity: usize,
    total: usize,
}

// SAFETY: the mapping is owned, and only changed through `&mut`.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(capacity: usize, guard: usize) -> Result<Mapping> {
        let capacity = page_rounded(capacity)?;
        let total = capacity.checked_add(page_rounded(guard)?).ok_or_else(|| Error::msg("the memory is too large"))?;
        // `mmap` refuses an empty mapping.
        let total = total.max(rustix::param::page_size());
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let base = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                total,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        };
        let base = base.map_err(|error| Error::new(std::io::Error::from(error)))?;
        let base = NonNull::new(base).ok_or_else(|| Error::msg("the memory was mapped at address 0"))?;
        Ok(Mapping { base, capacity, total })
    }

    fn make_accessible(&mut self, bytes: usize) -> Result<()> {
        let bytes = page_rounded(bytes)?;
        assert!(bytes <= self.capacity);
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: the range lies within the mapping, which this object owns.
        unsafe { rustix::mm::mprotect(self.base.as_ptr(), bytes, MprotectFlags::READ | MprotectFlags::WRITE) }
            .map_err(|error| Error::new(std::io::Error::from(error)))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is owned, and nothing refers to it any more: memories are dropped with their store.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr(), self.total) };
    }
}

struct Memory {
    mapping: Mapping,
    guard: usize,
    len: usize,
}

// SAFETY: `as_ptr` points to `byte_size` accessible bytes, the base stays while growth is within `byte_capacity`, and
// the guard follows the capacity.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.len
    }

    fn byte_capacity(&self) -> usize {
        self.mapping.capacity
    }

    fn grow_to(&mut self, new_size: usize) -> Result<()> {
        if new_size <= self.mapping.capacity {
            self.mapping.make_accessible(new_size)?;
        } else {
            let base = self.mapping.base.as_ptr() as usize;
            if views().as_ref().is_some_and(|views| views.contains_key(&base)) {
                return Err(Error::new(ViewInUse));
            }
            // Twice the size, so that a memory that grows step by step is not copied at every step.
            let mut moved =
                Mapping::new(new_size.saturating_mul(2), self.guard).or_else(|_| Mapping::new(new_size, self.guard))?;
            moved.make_accessible(new_size)?;
            // SAFETY: both mappings are accessible for `len` bytes, and distinct.
            unsafe { std::ptr::copy_nonoverlapping(self.as_ptr(), moved.base.as_ptr().cast::<u8>(), self.len) };
            self.mapping = moved;
        }
        self.len = new_size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.mapping.base.as_ptr().cast()
    }
}
