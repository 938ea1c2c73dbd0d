//! `Tag`: exception tags.

use pyo3::prelude::*;

use crate::errors::{Misuse, OrRaise};
use crate::externs::Owned;
use crate::managed::{Managed, two_phase};
use crate::store::StoreArg;
use crate::types::TagType;

/// A tag in a store, which identifies a kind of WebAssembly exception: `Tag(store, ty)`, or exported by an instance.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct Tag {
    owned: Managed<Owned<wasmtime::Tag>>,
}

impl Tag {
    fn empty() -> Tag {
        Tag { owned: Managed::empty("Tag") }
    }

    pub(crate) fn wrap(store_id: u64, tag: wasmtime::Tag) -> Tag {
        Tag { owned: Managed::new("Tag", Owned { store_id, item: tag }) }
    }

    pub(crate) fn owned(&self) -> Result<&Owned<wasmtime::Tag>, Misuse> {
        self.owned.get()
    }
}

#[pymethods]
impl Tag {
    fn __init__(&self, store: &Bound<'_, PyAny>, ty: &Bound<'_, TagType>) -> PyResult<()> {
        let mut entry = StoreArg::new(store)?.enter()?;
        let ty = ty.get().to_engine(entry.ctx().engine())?;
        let tag = wasmtime::Tag::new(entry.ctx(), &ty).or_raise(store.py())?;
        self.owned.initialise(Owned { store_id: entry.shared.id, item: tag })
    }

    /// The type of the tag.
    fn r#type(&self, store: &Bound<'_, PyAny>) -> PyResult<TagType> {
        let owned = self.owned()?;
        let mut entry = StoreArg::new(store)?.enter_own(owned.store_id, "Tag")?;
        Ok(TagType::wrap(&owned.item.ty(entry.ctx())))
    }

    /// Whether `other` is the same tag: one definition, not only one type.
    fn eq(&self, store: &Bound<'_, PyAny>, other: &Bound<'_, Tag>) -> PyResult<bool> {
        let (owned, other) = (self.owned()?, other.get().owned()?);
        let mut entry = StoreArg::new(store)?.enter_own(owned.store_id, "Tag")?;
        if other.store_id != owned.store_id {
            return Err(Misuse::WrongStore("Tag").into());
        }
        Ok(wasmtime::Tag::eq(&owned.item, &other.item, entry.ctx()))
    }

    fn __repr__(&self) -> &'static str {
        "<Tag>"
    }
}

two_phase!(Tag, "(store, ty)");
