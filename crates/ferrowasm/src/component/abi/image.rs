//! Values as a guest will see them, before they are in the guest.

use std::mem::MaybeUninit;
use std::ops::Range;

use smallvec::SmallVec;
use wasmtime::component::__internal::{InterfaceType, LowerContext};
use wasmtime::component::{Lower, ResourceAny, ResourceDynamic};
use wasmtime::{Error, Result, ValRaw, bail};

use super::bridge::MAX_FLAT_PARAMS;
use super::kept::{Exported, Immutable};

/// Lowered values: what goes into registers, and blocks of memory that the guest has to allocate.
#[derive(Default)]
pub(crate) struct Image {
    /// Core values, as their bits.
    flat: SmallVec<[u64; MAX_FLAT_PARAMS]>,
    /// The contents of all blocks that are put together here.
    arena: Vec<u8>,
    /// In the order in which the canonical ABI allocates them.
    blocks: SmallVec<[Block; 1]>,
    links: SmallVec<[Link; 1]>,
    handles: Vec<Handle>,
    /// The first block is the values themselves: they do not fit into registers.
    in_memory: bool,
}

struct Block {
    align: u32,
    /// What the guest gets as length: items, not bytes.
    count: usize,
    source: Source,
}

enum Source {
    Arena(Range<usize>),
    Bytes(Immutable),
    /// Encoded as the guest wants it when it is written.
    Text(Immutable),
    Buffer(Exported),
}

/// A place in the image for a core value or a field.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// The next register.
    Flat,
    /// An offset, in bytes, into a block that is in the arena.
    Block { block: usize, offset: usize },
}

impl Place {
    /// A part of the value at this place. In registers the parts follow each other.
    pub(super) fn part(self, by: usize) -> Place {
        match self {
            Place::Flat => Place::Flat,
            Place::Block { block, offset } => Place::Block { block, offset: offset + by },
        }
    }
}

/// Where something goes that is known only when the image is written.
#[derive(Clone, Copy)]
enum Spot {
    Flat(usize),
    Block { block: usize, offset: usize },
}

/// The address and the length of a block go here.
struct Link {
    spot: Spot,
    block: usize,
}

struct Handle {
    spot: Spot,
    ty: InterfaceType,
    resource: Resource,
}

/// A resource on its way into a guest.
pub(super) enum Resource {
    Any(ResourceAny),
    Host { rep: u32, ty: u32, owned: bool },
}

impl Image {
    /// Starts an image, which is new, whose values are in memory, in a block of this size.
    pub(super) fn start_in_memory(&mut self, size: usize, align: u32) -> Place {
        self.in_memory = true;
        let block = self.block(align, 1, size);
        Place::Block { block, offset: 0 }
    }

    /// Adds a block of zeros for `count` items.
    fn block(&mut self, align: u32, count: usize, size: usize) -> usize {
        let start = self.arena.len();
        self.arena.resize(start + size, 0);
        self.push_block(align, count, Source::Arena(start..start + size))
    }

    fn push_block(&mut self, align: u32, count: usize, source: Source) -> usize {
        self.blocks.push(Block { align, count, source });
        self.blocks.len() - 1
    }

    /// The spot of a place, with room for `words` of 32 bits or as many registers.
    fn reserve(&mut self, place: Place, words: usize) -> Spot {
        match place {
            Place::Flat => {
                self.flat.extend(std::iter::repeat_n(0, words));
                Spot::Flat(self.flat.len() - words)
            }
            Place::Block { block, offset } => Spot::Block { block, offset },
        }
    }

    /// Puts a number of `bytes` bytes; in a register its upper bits are `bits`'s.
    pub(super) fn put(&mut self, place: Place, bytes: usize, bits: u64) {
        match place {
            Place::Flat => self.flat.push(bits),
            Place::Block { block, offset } => {
                let start = self.start(block) + offset;
                self.arena[start..start + bytes].copy_from_slice(&bits.to_le_bytes()[..bytes]);
            }
        }
    }

    fn start(&self, block: usize) -> usize {
        match &self.blocks[block].source {
            Source::Arena(range) => range.start,
            _ => unreachable!("places are in the arena only"),
        }
    }

    /// How many registers are in use.
    pub(super) fn registers(&self) -> usize {
        self.flat.len()
    }

    /// Fills up with registers that the present case of a variant does not need.
    pub(super) fn pad_to(&mut self, registers: usize) {
        self.flat.resize(registers, 0);
    }

    fn link(&mut self, place: Place, block: usize) {
        let spot = self.reserve(place, 2);
        self.links.push(Link { spot, block });
    }

    /// A list whose items will be put at the place that is returned.
    pub(super) fn list(&mut self, place: Place, align: u32, count: usize, size: usize) -> Place {
        let block = self.block(align, count, size);
        self.link(place, block);
        Place::Block { block, offset: 0 }
    }

    /// A list of numbers that are put together by `fill`, which appends `size` bytes.
    pub(super) fn numbers(&mut self, place: Place, align: u32, count: usize, size: usize) -> (&mut Vec<u8>, usize) {
        let start = self.arena.len();
        let block = self.push_block(align, count, Source::Arena(start..start + size));
        self.link(place, block);
        self.arena.reserve(size);
        (&mut self.arena, start + size)
    }

    pub(super) fn bytes(&mut self, place: Place, bytes: Immutable) {
        let block = self.push_block(1, bytes.as_bytes().len(), Source::Bytes(bytes));
        self.link(place, block);
    }

    pub(super) fn text(&mut self, place: Place, text: Immutable) {
        let block = self.push_block(1, 0, Source::Text(text));
        self.link(place, block);
    }

    pub(super) fn buffer(&mut self, place: Place, align: u32, count: usize, buffer: Exported) {
        let block = self.push_block(align, count, Source::Buffer(buffer));
        self.link(place, block);
    }

    pub(super) fn handle(&mut self, place: Place, ty: InterfaceType, resource: Resource) {
        let spot = self.reserve(place, 1);
        self.handles.push(Handle { spot, ty, resource });
    }

    /// Copies the image into a guest. Values that are in memory go to `root`, or where the guest allocates room for
    /// them; the others go to `registers`, of which as many as are returned are in use.
    pub(super) fn write<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        root: Option<usize>,
        registers: &mut [u64],
    ) -> Result<usize> {
        registers[..self.flat.len()].copy_from_slice(&self.flat);
        if self.blocks.is_empty() && self.handles.is_empty() {
            return Ok(self.flat.len());
        }
        let mut writer = Writer { registers, placed: SmallVec::new() };
        for (index, block) in self.blocks.iter().enumerate() {
            let at = root.filter(|_| index == 0 && self.in_memory);
            writer.placed.push(self.place(cx, block, at)?);
        }
        for Link { spot, block } in &self.links {
            let (address, count) = writer.placed[*block];
            writer.set(cx, *spot, 0, address)?;
            writer.set(cx, *spot, 1, count)?;
        }
        for Handle { spot, ty, resource } in &self.handles {
            let index = resource.lower(cx, *ty)?;
            writer.set(cx, *spot, 0, index as usize)?;
        }
        if self.in_memory && root.is_none() {
            writer.registers[0] = writer.placed[0].0 as u64;
            return Ok(1);
        }
        Ok(self.flat.len())
    }

    /// Copies a block to `at`, or to where the guest allocates room for it. Returns its address and length.
    fn place<T>(&self, cx: &mut LowerContext<'_, T>, block: &Block, at: Option<usize>) -> Result<(usize, usize)> {
        let mut copy = |size: usize, write: &mut dyn FnMut(&mut [u8])| {
            let address = match at {
                Some(address) => address,
                None => cx.realloc(0, 0, block.align, size)?,
            };
            write(range(cx.as_slice_mut(), address, size)?);
            Ok((address, block.count))
        };
        match &block.source {
            Source::Arena(range) => copy(range.len(), &mut |target| target.copy_from_slice(&self.arena[range.clone()])),
            Source::Bytes(bytes) => {
                copy(bytes.as_bytes().len(), &mut |target| target.copy_from_slice(bytes.as_bytes()))
            }
            Source::Buffer(buffer) => copy(buffer.len(), &mut |target| buffer.copy_to(target)),
            Source::Text(text) => text_to_guest(cx, text.as_text()),
        }
    }
}

fn range(memory: &mut [u8], address: usize, size: usize) -> Result<&mut [u8]> {
    let end = address.checked_add(size);
    end.and_then(|end| memory.get_mut(address..end))
        .ok_or_else(|| Error::msg("a lowered value lies outside the guest's memory"))
}

/// Lets the engine allocate and encode a string. Returns its address and length.
fn text_to_guest<T>(cx: &mut LowerContext<'_, T>, text: &str) -> Result<(usize, usize)> {
    let mut pair = MaybeUninit::new([ValRaw::i64(0); 2]);
    text.linear_lower_to_flat(cx, InterfaceType::String, &mut pair)?;
    let [address, length] = super::bridge::initialised(pair);
    Ok((address.get_u64() as usize, length.get_u64() as usize))
}

/// What is known while an image is written.
struct Writer<'r> {
    registers: &'r mut [u64],
    /// Address and length of the blocks so far.
    placed: SmallVec<[(usize, usize); 4]>,
}

impl Writer<'_> {
    /// Sets a 32-bit value; `word` counts from the spot on.
    fn set<T>(&mut self, cx: &mut LowerContext<'_, T>, spot: Spot, word: usize, value: usize) -> Result<()> {
        let Ok(value) = u32::try_from(value) else { bail!("an address or length does not fit 32 bits") };
        match spot {
            Spot::Flat(register) => self.registers[register + word] = u64::from(value),
            Spot::Block { block, offset } => {
                let address = self.placed[block].0 + offset + 4 * word;
                range(cx.as_slice_mut(), address, 4)?.copy_from_slice(&value.to_le_bytes());
            }
        }
        Ok(())
    }
}

impl Resource {
    /// Hands the resource over to the guest. Returns the guest's index for it.
    fn lower<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType) -> Result<u32> {
        let mut index = MaybeUninit::new(ValRaw::i64(0));
        match *self {
            Resource::Any(resource) => resource.linear_lower_to_flat(cx, ty, &mut index)?,
            Resource::Host { rep, ty: payload, owned } => {
                let resource = if owned {
                    ResourceDynamic::new_own(rep, payload)
                } else {
                    ResourceDynamic::new_borrow(rep, payload)
                };
                resource.linear_lower_to_flat(cx, ty, &mut index)?;
            }
        }
        Ok(super::bridge::initialised(index).get_u32())
    }
}
