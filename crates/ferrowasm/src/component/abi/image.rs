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
    /// In the order in which the canonical ABI allocates them: each after the one that it is linked from.
    blocks: SmallVec<[Block; 1]>,
    handles: Vec<Handle>,
}

struct Block {
    align: u32,
    /// What the guest gets as length: items, not bytes.
    count: usize,
    source: Source,
    /// Where its address and its length go. Only of the first block there may be none: it is the values themselves, which
    /// do not fit into registers.
    link: Option<Spot>,
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
        self.zeros(None, align, 1, size)
    }

    /// Adds a block of zeros for `count` items.
    fn zeros(&mut self, link: Option<Spot>, align: u32, count: usize, size: usize) -> Place {
        let start = self.arena.len();
        self.arena.resize(start + size, 0);
        self.blocks.push(Block { align, count, source: Source::Arena(start..start + size), link });
        Place::Block { block: self.blocks.len() - 1, offset: 0 }
    }

    /// Adds a block that is linked from this place.
    fn linked(&mut self, place: Place, align: u32, count: usize, source: Source) {
        let link = Some(self.reserve(place, [0, 0]));
        self.blocks.push(Block { align, count, source, link });
    }

    /// The spot of a place, with room for so many words of 32 bits or registers.
    fn reserve<const WORDS: usize>(&mut self, place: Place, words: [u64; WORDS]) -> Spot {
        match place {
            Place::Flat => {
                words.into_iter().for_each(|word| self.flat.push(word));
                Spot::Flat(self.flat.len() - WORDS)
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

    /// A list whose items will be put at the place that is returned.
    pub(super) fn list(&mut self, place: Place, align: u32, count: usize, size: usize) -> Place {
        let link = self.reserve(place, [0, 0]);
        self.zeros(Some(link), align, count, size)
    }

    /// A list of numbers. The caller appends its `size` bytes to what is returned.
    pub(super) fn numbers(&mut self, place: Place, align: u32, count: usize, size: usize) -> &mut Vec<u8> {
        let start = self.arena.len();
        self.linked(place, align, count, Source::Arena(start..start + size));
        self.arena.reserve(size);
        &mut self.arena
    }

    pub(super) fn bytes(&mut self, place: Place, bytes: Immutable) {
        self.linked(place, 1, bytes.as_bytes().len(), Source::Bytes(bytes));
    }

    pub(super) fn text(&mut self, place: Place, text: Immutable) {
        self.linked(place, 1, 0, Source::Text(text));
    }

    pub(super) fn buffer(&mut self, place: Place, align: u32, count: usize, buffer: Exported) {
        self.linked(place, align, count, Source::Buffer(buffer));
    }

    pub(super) fn handle(&mut self, place: Place, ty: InterfaceType, resource: Resource) {
        let spot = self.reserve(place, [0]);
        self.handles.push(Handle { spot, ty, resource });
    }

    /// Copies the image into a guest. Values that are in memory go to `root`, or where the guest allocates room for
    /// them, whose address goes to the first register; the others go to as many registers as they need.
    pub(super) fn write<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        root: Option<usize>,
        registers: &mut [MaybeUninit<ValRaw>],
    ) -> Result<()> {
        for (register, bits) in registers.iter_mut().zip(&self.flat) {
            register.write(ValRaw::u64(*bits));
        }
        let mut writer = Writer { registers, placed: SmallVec::new() };
        for block in &self.blocks {
            let (address, count) = self.place(cx, block, root.filter(|_| block.link.is_none()))?;
            writer.placed.push(address);
            match block.link {
                Some(spot) => {
                    writer.set(cx, spot, 0, address)?;
                    writer.set(cx, spot, 1, count)?;
                }
                None if root.is_none() => writer.set(cx, Spot::Flat(0), 0, address)?,
                None => {}
            }
        }
        for Handle { spot, ty, resource } in &self.handles {
            let index = resource.lower(cx, *ty)?;
            writer.set(cx, *spot, 0, index as usize)?;
        }
        Ok(())
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
    registers: &'r mut [MaybeUninit<ValRaw>],
    /// The addresses of the blocks so far.
    placed: SmallVec<[usize; 4]>,
}

impl Writer<'_> {
    /// Sets a 32-bit value; `word` counts from the spot on.
    fn set<T>(&mut self, cx: &mut LowerContext<'_, T>, spot: Spot, word: usize, value: usize) -> Result<()> {
        let Ok(value) = u32::try_from(value) else { bail!("an address or length does not fit 32 bits") };
        match spot {
            Spot::Flat(register) => {
                self.registers[register + word].write(ValRaw::u64(u64::from(value)));
            }
            Spot::Block { block, offset } => {
                let address = self.placed[block] + offset + 4 * word;
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
