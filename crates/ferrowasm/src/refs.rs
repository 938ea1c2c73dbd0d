//! References: `ExternRef` for Python objects, and handles to objects of the WebAssembly GC heap.

use std::sync::Arc;

use pyo3::exceptions::{PyIndexError, PyOverflowError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::pyclass::CompareOp;
use pyo3::types::PyBool;
use wasmtime::{AsContextMut, OwnedRooted, Ref, RootScope, Rooted, StorageType, StoreContextMut, Val};

use crate::errors::{Misuse, OrRaise};
use crate::numbers;
use crate::store::cell::{Entry, Shared};
use crate::store::{Data, Store, StoreArg};
use crate::tag::Tag;
use crate::types::ValType;
use crate::values::{self, Kind};

/// A reference to a Python object, for the cases in which the bare object would be taken for something else.
///
/// An `externref` can refer to any Python object, and the object itself is passed and returned. Only `None` cannot be
/// told from null that way, and a reference of the WebAssembly GC heap not from the object it stands for:
/// `ExternRef(None)` is a reference to `None` that is not null.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct ExternRef {
    /// The object that is referred to.
    #[pyo3(get, name = "value")]
    pub(crate) object: Py<PyAny>,
}

#[pymethods]
impl ExternRef {
    #[new]
    fn new(value: Py<PyAny>) -> ExternRef {
        ExternRef { object: value }
    }

    /// Equal when both refer to the same object.
    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast_exact::<ExternRef>().is_ok_and(|other| other.get().object.is(&self.object))
    }

    fn __hash__(&self) -> isize {
        self.object.as_ptr() as isize >> 4
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("ExternRef({})", self.object.bind(py).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.object)
    }
}

/// What the engine's `externref` carries: the key of the Python object in the store's table.
struct Key {
    shared: Arc<Shared>,
    key: usize,
}

impl Drop for Key {
    fn drop(&mut self) {
        self.shared.objects.extern_died(self.key);
    }
}

/// Collects garbage. References that were rooted before, by Python code of a host function that is suspended on a fiber,
/// may be gone afterwards: its fiber is resumed meanwhile.
fn collect(ctx: &mut StoreContextMut<'_, Data>, why: Option<&wasmtime::GcHeapOutOfMemory<()>>) -> wasmtime::Result<()> {
    let shared = ctx.data().shared.clone();
    if shared.fibers.stepping().is_none() {
        return ctx.gc(why);
    }
    shared.run_on_fiber(|mut ctx| ctx.gc(why)).unwrap_or(Ok(()))
}

/// Makes an `externref` to a Python object.
pub(crate) fn new_externref(
    py: Python<'_>,
    ctx: &mut StoreContextMut<'_, Data>,
    object: Py<PyAny>,
) -> PyResult<Rooted<wasmtime::ExternRef>> {
    if let Ok(any) = object.bind(py).cast::<AnyRef>() {
        let any = any.get().to_rooted(ctx)?;
        return wasmtime::ExternRef::convert_any(ctx, any).or_raise(py);
    }
    let shared = ctx.data().shared.clone();
    if shared.objects.wants_gc() {
        collect(ctx, None).or_raise(py)?;
        shared.objects.after_gc();
    }
    let key = shared.objects.add_extern(object);
    let key = Key { shared, key };
    match wasmtime::ExternRef::new(&mut *ctx, key) {
        Ok(rooted) => Ok(rooted),
        Err(error) => match error.downcast::<wasmtime::GcHeapOutOfMemory<Key>>() {
            Ok(full) => {
                let (key, full) = full.take_inner();
                collect(ctx, Some(&full)).or_raise(py)?;
                wasmtime::ExternRef::new(ctx, key).or_raise(py)
            }
            Err(error) => Err(error).or_raise(py),
        },
    }
}

/// The Python object that an `externref` refers to.
pub(crate) fn extern_to_python<'py>(
    py: Python<'py>,
    ctx: &mut StoreContextMut<'_, Data>,
    externref: &Rooted<wasmtime::ExternRef>,
) -> PyResult<Bound<'py, PyAny>> {
    let Some(data) = externref.data(&*ctx).or_raise(py)? else {
        // Made by `extern.convert_any` from an object of the GC heap.
        let any = wasmtime::AnyRef::convert_extern(&mut *ctx, *externref).or_raise(py)?;
        return any_to_python(py, ctx, &any);
    };
    let object = data.downcast_ref::<Key>().and_then(|key| key.shared.objects.get_extern(py, key.key));
    let object =
        object.ok_or_else(|| crate::errors::wasmtime_error(py, "the externref was not made by this package"))?;
    // `None` and GC references mean something else when they are bare.
    if object.is_none() || object.cast::<AnyRef>().is_ok() {
        return Ok(Bound::new(py, ExternRef { object: object.unbind() })?.into_any());
    }
    Ok(object)
}

/// A reference into the GC heap of a store (`anyref`). It keeps the object it refers to, and the store, alive.
///
/// References are equal when they refer to the same object; small integers (`I31Ref`) when they have the same value.
#[pyclass(frozen, subclass, module = "ferrowasm")]
pub(crate) struct AnyRef {
    store: Py<Store>,
    root: OwnedRooted<wasmtime::AnyRef>,
}

impl AnyRef {
    fn to_rooted(&self, ctx: &mut StoreContextMut<'_, Data>) -> PyResult<Rooted<wasmtime::AnyRef>> {
        if ctx.data().shared.id != self.store.get().cell.shared.id {
            return Err(Misuse::WrongStore("AnyRef").into());
        }
        Ok(self.root.to_rooted(ctx))
    }

    /// Runs `work` with the reference rooted for its duration.
    fn with<R>(
        &self,
        work: impl FnOnce(&mut StoreContextMut<'_, Data>, Rooted<wasmtime::AnyRef>) -> PyResult<R>,
    ) -> PyResult<R> {
        let mut entry = self.store.get().cell.enter()?;
        let mut scope = RootScope::new(entry.ctx());
        let mut ctx = scope.as_context_mut();
        let any = self.root.to_rooted(&mut ctx);
        work(&mut ctx, any)
    }

    /// Whether both refer to the same object; `NotImplemented` for anything but `==` and `!=`.
    fn compare<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        let (Ok(other), CompareOp::Eq | CompareOp::Ne) = (other.cast::<AnyRef>(), op) else {
            return Ok(py.NotImplemented().into_bound(py));
        };
        let other = other.get();
        let same = other.store.is(&self.store) && {
            let mut entry = self.store.get().cell.enter()?;
            OwnedRooted::ref_eq(entry.ctx(), &self.root, &other.root).or_raise(py)?
        };
        Ok(PyBool::new(py, same == matches!(op, CompareOp::Eq)).to_owned().into_any())
    }
}

#[pymethods]
impl AnyRef {
    /// The type of the object, as precisely as the engine knows it.
    #[getter]
    fn r#type(&self, py: Python<'_>) -> PyResult<ValType> {
        self.with(|ctx, any| {
            let heap = any.ty(&*ctx).or_raise(py)?;
            Ok(ValType::wrap(wasmtime::RefType::new(false, heap).into()))
        })
    }

    fn __richcmp__<'py>(&self, other: &Bound<'py, PyAny>, op: CompareOp) -> PyResult<Bound<'py, PyAny>> {
        self.compare(other, op)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Ok(format!("<{}>", slf.get_type().name()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.store)
    }
}

/// A reference that can be compared with `ref.eq` (`eqref`).
#[pyclass(frozen, subclass, extends = AnyRef, module = "ferrowasm")]
pub(crate) struct EqRef;

/// A 31-bit integer as a reference (`i31ref`): `I31Ref(store, value)`.
#[pyclass(frozen, extends = EqRef, module = "ferrowasm")]
pub(crate) struct I31Ref;

#[pymethods]
impl I31Ref {
    /// `value` is an int in the signed or unsigned 31-bit range; `OverflowError` otherwise.
    #[new]
    fn new(store: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<PyClassInitializer<I31Ref>> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter()?;
        let number = numbers::index(value, "value")?.extract::<i64>().ok();
        let i31 = number
            .filter(|number| (-(1 << 30)..1 << 31).contains(number))
            .map(|number| wasmtime::I31::wrapping_i32(number as i32))
            .ok_or_else(|| {
                PyOverflowError::new_err("value is out of range: expected an int from -2**30 to 2**31 - 1")
            })?;
        let mut scope = RootScope::new(entry.ctx());
        let any = wasmtime::AnyRef::from_i31(&mut scope, i31);
        let base = handle(py, &mut scope.as_context_mut(), any)?;
        Ok(PyClassInitializer::from(base).add_subclass(EqRef).add_subclass(I31Ref))
    }

    /// The integer, as signed.
    #[getter]
    fn value(slf: &Bound<'_, Self>) -> PyResult<i32> {
        i31(slf).map(|value| value.get_i32())
    }

    /// The integer, as unsigned.
    #[getter]
    fn unsigned(slf: &Bound<'_, Self>) -> PyResult<u32> {
        i31(slf).map(|value| value.get_u32())
    }

    /// As `AnyRef` does it: a class with a hash of its own does not inherit the comparison.
    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.as_super().as_super().get().compare(other, op)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<u32> {
        i31(slf).map(|value| value.get_u32())
    }
}

fn i31(object: &Bound<'_, I31Ref>) -> PyResult<wasmtime::I31> {
    let py = object.py();
    object.as_super().as_super().get().with(|ctx, any| any.unwrap_i31(&*ctx).or_raise(py))
}

/// A struct on the GC heap (`structref`). Fields are read and set by index.
#[pyclass(frozen, extends = EqRef, module = "ferrowasm")]
pub(crate) struct StructRef;

/// An array on the GC heap (`arrayref`). Elements are read and set by index.
#[pyclass(frozen, extends = EqRef, module = "ferrowasm")]
pub(crate) struct ArrayRef;

/// The place that Python's `index` means in something of `len` items; `IndexError` outside.
fn place(index: &Bound<'_, PyAny>, len: usize) -> PyResult<usize> {
    let number = numbers::index(index, "index")?.extract::<i64>().unwrap_or(i64::MAX);
    let place = if number < 0 { number + len as i64 } else { number };
    usize::try_from(place)
        .ok()
        .filter(|place| *place < len)
        .ok_or_else(|| PyIndexError::new_err(format!("index {number} is out of range for {len} items")))
}

/// Packed fields (i8, i16) travel as i32.
fn storage_kind(storage: &StorageType) -> Kind {
    match storage {
        StorageType::ValType(ty) => Kind::of(ty),
        StorageType::I8 | StorageType::I16 => Kind::I32,
    }
}

#[pymethods]
impl StructRef {
    fn __len__(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let py = slf.py();
        slf.as_super()
            .as_super()
            .get()
            .with(|ctx, any| Ok(any.unwrap_struct(&*ctx).or_raise(py)?.ty(&*ctx).or_raise(py)?.fields().len()))
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.as_super().as_super().get().with(|ctx, any| {
            let object = any.unwrap_struct(&*ctx).or_raise(py)?;
            let len = object.ty(&*ctx).or_raise(py)?.fields().len();
            let value = object.field(&mut *ctx, place(index, len)?).or_raise(py)?;
            values::from_val(py, ctx, &value)
        })
    }

    fn __setitem__(slf: &Bound<'_, Self>, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        slf.as_super().as_super().get().with(|ctx, any| {
            let object = any.unwrap_struct(&*ctx).or_raise(py)?;
            let ty = object.ty(&*ctx).or_raise(py)?;
            let place = place(index, ty.fields().len())?;
            let field = ty.field(place).ok_or_else(|| PyIndexError::new_err("no such field"))?;
            let value = storage_val(ctx, field.element_type(), value)?;
            let object = slf.as_super().as_super().get().to_rooted(ctx)?.unwrap_struct(&*ctx).or_raise(py)?;
            object.set_field(&mut *ctx, place, value).or_raise(py)
        })
    }
}

#[pymethods]
impl ArrayRef {
    fn __len__(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let py = slf.py();
        slf.as_super()
            .as_super()
            .get()
            .with(|ctx, any| Ok(any.unwrap_array(&*ctx).or_raise(py)?.len(&*ctx).or_raise(py)? as usize))
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.as_super().as_super().get().with(|ctx, any| {
            let object = any.unwrap_array(&*ctx).or_raise(py)?;
            let len = object.len(&*ctx).or_raise(py)? as usize;
            let value = object.get(&mut *ctx, place(index, len)? as u32).or_raise(py)?;
            values::from_val(py, ctx, &value)
        })
    }

    fn __setitem__(slf: &Bound<'_, Self>, index: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        slf.as_super().as_super().get().with(|ctx, any| {
            let object = any.unwrap_array(&*ctx).or_raise(py)?;
            let place = place(index, object.len(&*ctx).or_raise(py)? as usize)?;
            let ty = object.ty(&*ctx).or_raise(py)?;
            let value = storage_val(ctx, &ty.element_type(), value)?;
            let object = slf.as_super().as_super().get().to_rooted(ctx)?.unwrap_array(&*ctx).or_raise(py)?;
            object.set(&mut *ctx, place as u32, value).or_raise(py)
        })
    }
}

/// Converts what is to be stored in a field. A packed field takes the signed and unsigned range of its width.
fn storage_val(ctx: &mut StoreContextMut<'_, Data>, storage: &StorageType, value: &Bound<'_, PyAny>) -> PyResult<Val> {
    let bits = match storage {
        StorageType::I8 => 8,
        StorageType::I16 => 16,
        StorageType::ValType(_) => return values::to_val(ctx, &storage_kind(storage), value),
    };
    let number = numbers::index(value, "the field")?.extract::<i64>().ok();
    number
        .filter(|number| (-(1 << (bits - 1))..1 << bits).contains(number))
        .map(|number| Val::I32(number as i32))
        .ok_or_else(|| {
            let low = bits - 1;
            PyOverflowError::new_err(format!("does not fit i{bits}: expected an int from -2**{low} to 2**{bits} - 1"))
        })
}

/// A handle that outlives the root scope.
fn handle(py: Python<'_>, ctx: &mut StoreContextMut<'_, Data>, any: Rooted<wasmtime::AnyRef>) -> PyResult<AnyRef> {
    let store = ctx.data().shared.store_object(py)?;
    let root = any.to_owned_rooted(ctx).or_raise(py)?;
    Ok(AnyRef { store: store.unbind(), root })
}

pub(crate) fn any_to_python<'py>(
    py: Python<'py>,
    ctx: &mut StoreContextMut<'_, Data>,
    any: &Rooted<wasmtime::AnyRef>,
) -> PyResult<Bound<'py, PyAny>> {
    let base = PyClassInitializer::from(handle(py, ctx, *any)?);
    if any.is_i31(&*ctx).or_raise(py)? {
        Ok(Bound::new(py, base.add_subclass(EqRef).add_subclass(I31Ref))?.into_any())
    } else if any.is_struct(&*ctx).or_raise(py)? {
        Ok(Bound::new(py, base.add_subclass(EqRef).add_subclass(StructRef))?.into_any())
    } else if any.is_array(&*ctx).or_raise(py)? {
        Ok(Bound::new(py, base.add_subclass(EqRef).add_subclass(ArrayRef))?.into_any())
    } else {
        Ok(Bound::new(py, base)?.into_any())
    }
}

/// `Ok(None)`: the object is no `AnyRef`.
pub(crate) fn any_to_ref(ctx: &mut StoreContextMut<'_, Data>, value: &Bound<'_, PyAny>) -> PyResult<Option<Ref>> {
    match value.cast::<AnyRef>() {
        Ok(any) => Ok(Some(Ref::Any(Some(any.get().to_rooted(ctx)?)))),
        Err(_) => Ok(None),
    }
}

/// A WebAssembly exception object (`exnref`). It keeps its store alive.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct ExnRef {
    store: Py<Store>,
    root: OwnedRooted<wasmtime::ExnRef>,
}

impl ExnRef {
    fn enter(&self) -> PyResult<Entry<'_>> {
        Ok(self.store.get().cell.enter()?)
    }
}

#[pymethods]
impl ExnRef {
    /// The tag that the exception was thrown with.
    #[getter]
    fn tag(&self, py: Python<'_>) -> PyResult<Tag> {
        let mut entry = self.enter()?;
        let mut scope = RootScope::new(entry.ctx());
        let exn = self.root.to_rooted(&mut scope);
        let tag = exn.tag(&mut scope).or_raise(py)?;
        Ok(Tag::wrap(self.store.get().cell.shared.id, tag))
    }

    /// The payload of the exception.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut entry = self.enter()?;
        let mut scope = RootScope::new(entry.ctx());
        let exn = self.root.to_rooted(&mut scope);
        let fields: Vec<Val> = exn.fields(&mut scope).or_raise(py)?.collect();
        fields.iter().map(|field| values::from_val(py, &mut scope.as_context_mut(), field)).collect()
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        let Ok(other) = other.cast_exact::<ExnRef>() else { return Ok(false) };
        let other = other.get();
        if !other.store.is(&self.store) {
            return Ok(false);
        }
        let mut entry = self.enter()?;
        OwnedRooted::ref_eq(entry.ctx(), &self.root, &other.root).or_raise(py)
    }

    fn __repr__(&self) -> &'static str {
        "<ExnRef>"
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.store)
    }
}

pub(crate) fn exn_to_python<'py>(
    py: Python<'py>,
    ctx: &mut StoreContextMut<'_, Data>,
    exn: &Rooted<wasmtime::ExnRef>,
) -> PyResult<Bound<'py, PyAny>> {
    let store = ctx.data().shared.store_object(py)?.unbind();
    let root = exn.to_owned_rooted(ctx).or_raise(py)?;
    Ok(Bound::new(py, ExnRef { store, root })?.into_any())
}

/// `Ok(None)`: the object is no `ExnRef`.
pub(crate) fn exn_to_ref(ctx: &mut StoreContextMut<'_, Data>, value: &Bound<'_, PyAny>) -> PyResult<Option<Ref>> {
    let Ok(exn) = value.cast_exact::<ExnRef>() else { return Ok(None) };
    let exn = exn.get();
    if exn.store.get().cell.shared.id != ctx.data().shared.id {
        return Err(Misuse::WrongStore("ExnRef").into());
    }
    Ok(Some(Ref::Exn(Some(exn.root.to_rooted(ctx)))))
}
