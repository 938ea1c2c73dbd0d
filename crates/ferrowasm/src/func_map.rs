//! `Func.map`: a function applied to arrays, element by element, with one crossing for many elements.
//!
//! A call from outside costs more than a small function. So the loop runs inside WebAssembly: a helper module with a
//! memory for a chunk of the arguments and results, and a table with the function. The module is generated once for each
//! signature and engine, and instantiated once for each store (and once more for each `map` inside a `map`).
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use wasmtime::{FuncType, Global, Instance, Memory, Module, Ref, StoreContextMut, Table, Val, ValRaw};

use crate::asyncio;
use crate::borrowed::Borrowed;
use crate::compile;
use crate::engine::EngineState;
use crate::errors::{OrRaise, signature_error, wasmtime_error, with_thrown};
use crate::func::{Callee, Func};
use crate::gil;
use crate::raw::Room;
use crate::store::{Data, StoreArg};
use crate::values::{self, Kind};

/// The size of the helper's memory: small enough for the processor's cache, and one page.
const MEMORY: usize = 65536;
/// How often signals (Ctrl-C) are looked for between chunks.
const LOOK: Duration = Duration::from_millis(20);

/// The types that `map` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Number {
    I32,
    I64,
    F32,
    F64,
}

impl Number {
    fn of(kind: &Kind) -> Option<Number> {
        match kind {
            Kind::I32 => Some(Number::I32),
            Kind::I64 => Some(Number::I64),
            Kind::F32 => Some(Number::F32),
            Kind::F64 => Some(Number::F64),
            Kind::V128 | Kind::Ref(_) => None,
        }
    }

    fn size(self) -> usize {
        match self {
            Number::I32 | Number::F32 => 4,
            Number::I64 | Number::F64 => 8,
        }
    }

    /// As in the text format.
    fn name(self) -> &'static str {
        match self {
            Number::I32 => "i32",
            Number::I64 => "i64",
            Number::F32 => "f32",
            Number::F64 => "f64",
        }
    }

    /// The type codes of arrays that hold such numbers, apart from their size; the first one is that of new arrays.
    fn codes(self) -> &'static str {
        match self {
            Number::I32 => "iIlL",
            Number::I64 => "qQlLnN",
            Number::F32 => "f",
            Number::F64 => "d",
        }
    }

    /// What NumPy calls the type.
    fn numpy(self) -> &'static str {
        match self {
            Number::I32 => "int32",
            Number::I64 => "int64",
            Number::F32 => "float32",
            Number::F64 => "float64",
        }
    }

    fn bytes(self, raw: &ValRaw) -> [u8; 8] {
        let bits = match self {
            Number::I32 => raw.get_u32().into(),
            Number::F32 => raw.get_f32().into(),
            Number::I64 => raw.get_u64(),
            Number::F64 => raw.get_f64(),
        };
        bits.to_le_bytes()
    }

    /// `TypeError` unless `buffer`, called `what`, holds such numbers.
    fn check(self, buffer: &Borrowed<'_>, what: &str) -> PyResult<()> {
        let format = buffer.format().to_string_lossy();
        let code = format.trim_start_matches(['@', '=', '<']);
        if code.len() == 1 && self.codes().contains(code) && buffer.item_size() == self.size() {
            return Ok(());
        }
        Err(PyTypeError::new_err(format!(
            "expected an array of {} (format {:?}, NumPy's {}) for {what}, got one of format {format:?}",
            self.name(),
            &self.codes()[..1],
            self.numpy()
        )))
    }
}

/// A function type of numbers, with at most one result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    params: Vec<Number>,
    result: Option<Number>,
}

impl Shape {
    fn of(callee: &Callee) -> PyResult<Shape> {
        let signature = &callee.signature;
        let params: Option<Vec<_>> = signature.params.iter().map(Number::of).collect();
        let results: Option<Vec<_>> = signature.results.iter().map(Number::of).collect();
        match (params, results) {
            (Some(params), Some(results)) if !params.is_empty() && results.len() <= 1 => {
                Ok(Shape { params, result: results.first().copied() })
            }
            _ => Err(PyTypeError::new_err(format!(
                "map needs a function of one or more numbers (i32, i64, f32, f64) with at most one number as result, \
                 got {signature}"
            ))),
        }
    }

    fn numbers(&self) -> impl Iterator<Item = Number> {
        self.params.iter().copied().chain(self.result)
    }

    /// How many elements fit the helper's memory.
    fn chunk(&self) -> usize {
        // Each column begins at a multiple of 8.
        let columns = self.params.len() + 1;
        (MEMORY - 8 * columns) / self.numbers().map(Number::size).sum::<usize>()
    }

    /// Where the columns of the parameters, and of the result, begin in the helper's memory.
    fn offsets(&self) -> Vec<usize> {
        let chunk = self.chunk();
        let mut end = 0;
        self.numbers()
            .map(|number| {
                let start = end;
                end += (chunk * number.size()).next_multiple_of(8);
                start
            })
            .collect()
    }

    /// The helper module in the text format.
    fn text(&self) -> String {
        let mut signature = String::new();
        let mut call = String::from("(call_indirect (type $f)");
        let offsets = self.offsets();
        let place = |number: Number| format!("(i32.shl (local.get $i) (i32.const {}))", number.size().ilog2());
        for (number, offset) in self.params.iter().zip(&offsets) {
            let name = number.name();
            let _ = write!(signature, " (param {name})");
            let _ = write!(call, " ({name}.load offset={offset} {})", place(*number));
        }
        call.push_str(" (i32.const 0))");
        if let (Some(number), Some(offset)) = (self.result, offsets.last()) {
            let name = number.name();
            let _ = write!(signature, " (result {name})");
            call = format!("({name}.store offset={offset} {} {call})", place(number));
        }
        // `done` counts the elements that are finished, for the case that one traps.
        format!(
            r#"(module
              (type $f (func{signature}))
              (table (export "function") 1 1 funcref)
              (memory (export "values") 1 1)
              (global $done (export "done") (mut i32) (i32.const 0))
              (func (export "run") (param $count i32) (local $i i32)
                (loop $next
                  {call}
                  (global.set $done (local.tee $i (i32.add (local.get $i) (i32.const 1))))
                  (br_if $next (i32.lt_u (local.get $i) (local.get $count))))))"#
        )
    }
}

/// The helper modules of an engine.
#[derive(Default)]
pub(crate) struct Modules(Mutex<HashMap<Shape, Module>>);

impl Modules {
    fn lock(&self) -> MutexGuard<'_, HashMap<Shape, Module>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The helpers of a store that are not in use.
#[derive(Default)]
pub(crate) struct Helpers(HashMap<Shape, Vec<Helper>>);

impl Helpers {
    fn take(&mut self, shape: &Shape) -> Option<Helper> {
        self.0.get_mut(shape)?.pop()
    }

    fn give_back(&mut self, shape: &Shape, helper: Helper) {
        self.0.entry(shape.clone()).or_default().push(helper);
    }
}

/// An instance of the helper module.
pub(crate) struct Helper {
    run: Callee,
    table: Table,
    memory: Memory,
    done: Global,
}

impl Helper {
    fn new(mut ctx: StoreContextMut<'_, Data>, module: &Module) -> wasmtime::Result<Helper> {
        let instance = Instance::new(&mut ctx, module, &[])?;
        let missing = || wasmtime::Error::msg("the helper module of map lacks an export");
        let run = instance.get_func(&mut ctx, "run").ok_or_else(missing)?;
        let table = instance.get_table(&mut ctx, "function").ok_or_else(missing)?;
        let memory = instance.get_memory(&mut ctx, "values").ok_or_else(missing)?;
        let done = instance.get_global(&mut ctx, "done").ok_or_else(missing)?;
        Ok(Helper { run: Callee::new(&mut ctx, run), table, memory, done })
    }

    /// Applies `function` to all elements. Returns how many were finished, beside what ended it.
    fn apply(
        &self,
        mut ctx: StoreContextMut<'_, Data>,
        function: &Callee,
        columns: &Columns,
    ) -> (usize, wasmtime::Result<()>) {
        if let Err(error) = self.table.set(&mut ctx, 0, Ref::Func(Some(function.func))) {
            return (0, Err(error));
        }
        let bytes = self.memory.data_mut(&mut ctx);
        columns.fill_scalars(bytes);
        let mut looked = Instant::now();
        let mut first = 0;
        while first < columns.count {
            let count = columns.chunk.min(columns.count - first);
            columns.fill(self.memory.data_mut(&mut ctx), first, count);
            let outcome = self.run_chunk(&mut ctx, count);
            let finished = match &outcome {
                Ok(()) => count,
                Err(_) => usize::try_from(self.done.get(&mut ctx).unwrap_i32()).unwrap_or(0).min(count),
            };
            columns.collect(self.memory.data(&ctx), first, finished);
            first += finished;
            if outcome.is_err() {
                return (first, outcome);
            }
            if looked.elapsed() > LOOK {
                looked = Instant::now();
                if let Err(signal) = gil::attached(|py| py.check_signals()) {
                    return (first, Err(signal));
                }
            }
        }
        (first, Ok(()))
    }

    fn run_chunk(&self, ctx: &mut StoreContextMut<'_, Data>, count: usize) -> wasmtime::Result<()> {
        self.done.set(&mut *ctx, Val::I32(0))?;
        let mut room = Room::new();
        let mut arguments = room.arguments(&self.run);
        arguments.push(ValRaw::u32(count as u32));
        arguments.complete().call(wasmtime::AsContextMut::as_context_mut(ctx), &[])
    }
}

/// Where an argument comes from.
enum Column {
    /// From an array: the address of its first element. The owner is borrowed, or copied, as long as this is used.
    Array(*const u8),
    /// The same for every element.
    Scalar([u8; 8]),
}

/// What goes into the helper's memory and what comes out of it.
struct Columns {
    count: usize,
    chunk: usize,
    offsets: Vec<usize>,
    numbers: Vec<Number>,
    params: Vec<Column>,
    result: Option<*mut u8>,
}

// SAFETY: the addresses are those of buffers that are borrowed, and so stay valid, while the columns are used. Another
// Python thread may write to the same arrays meanwhile, as it may while NumPy works on them without the interpreter lock.
unsafe impl Send for Columns {}
// SAFETY: as for `Send`; one thread uses them at a time.
unsafe impl Sync for Columns {}

impl Columns {
    /// Writes the arguments that are the same for every element.
    fn fill_scalars(&self, memory: &mut [u8]) {
        let count = self.chunk.min(self.count);
        for ((column, number), offset) in self.params.iter().zip(&self.numbers).zip(&self.offsets) {
            if let Column::Scalar(bytes) = column {
                let size = number.size();
                for place in memory[*offset..][..count * size].chunks_exact_mut(size) {
                    place.copy_from_slice(&bytes[..size]);
                }
            }
        }
    }

    /// Copies the arguments of `count` elements from `first` on into the helper's memory.
    fn fill(&self, memory: &mut [u8], first: usize, count: usize) {
        for ((column, number), offset) in self.params.iter().zip(&self.numbers).zip(&self.offsets) {
            if let Column::Array(start) = column {
                let size = number.size();
                let place = &mut memory[*offset..][..count * size];
                // SAFETY: the array has at least `first + count` elements, and the helper's memory is no part of it.
                unsafe { std::ptr::copy_nonoverlapping(start.add(first * size), place.as_mut_ptr(), place.len()) };
            }
        }
    }

    /// Copies the results of `count` elements from `first` on out of the helper's memory.
    fn collect(&self, memory: &[u8], first: usize, count: usize) {
        if let (Some(start), Some(number), Some(offset)) = (self.result, self.numbers.last(), self.offsets.last()) {
            let size = number.size();
            let place = &memory[*offset..][..count * size];
            // SAFETY: as in `fill`; the array was borrowed for writing.
            unsafe { std::ptr::copy_nonoverlapping(place.as_ptr(), start.add(first * size), place.len()) };
        }
    }
}

/// An argument as Python gave it.
enum Operand<'py> {
    Array(Borrowed<'py>),
    Scalar([u8; 8]),
}

impl<'py> Operand<'py> {
    fn new(kind: &Kind, number: Number, value: &Bound<'py, PyAny>, position: usize) -> PyResult<Operand<'py>> {
        let what = format!("argument {} of map", position + 1);
        if let Some(buffer) = Borrowed::readable(value)? {
            // NumPy's scalars have a buffer without a dimension.
            if !buffer.shape().is_empty() {
                number.check(&buffer, &what)?;
                return Ok(Operand::Array(buffer));
            }
        }
        match values::to_raw(kind, value) {
            Ok(raw) => Ok(Operand::Scalar(number.bytes(&raw))),
            Err(error) => {
                let _ = error.value(value.py()).call_method1("add_note", (format!("in {what}"),));
                Err(error)
            }
        }
    }
}

/// The class of NumPy's arrays, if the program uses them.
fn numpy_array(py: Python<'_>) -> PyResult<Option<Bound<'_, PyType>>> {
    let modules = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?;
    let Some(numpy) = modules.get_item("numpy")? else { return Ok(None) };
    Ok(numpy.getattr_opt("ndarray")?.and_then(|class| class.cast_into().ok()))
}

/// A new array of as many elements: NumPy's if one of the arguments is, or else an `array.array`.
fn new_array<'py>(arrays: &Bound<'py, PyTuple>, number: Number, shape: &[isize]) -> PyResult<Bound<'py, PyAny>> {
    let py = arrays.py();
    if let Some(class) = numpy_array(py)? {
        for array in arrays.iter_borrowed() {
            if array.is_instance(&class)? {
                let shape = PyTuple::new(py, shape)?;
                return py.import("numpy")?.call_method1("empty", (shape, number.numpy()));
            }
        }
    }
    let zero = PyTuple::new(py, [0])?;
    let count: isize = shape.iter().product();
    py.import("array")?.call_method1("array", (&number.codes()[..1], zero))?.mul(count)
}

fn shown(shape: &[isize]) -> String {
    match shape {
        [single] => format!("({single},)"),
        _ => format!("({})", shape.iter().map(isize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The shape that all arrays have in common.
fn common_shape<'a>(operands: &'a [Operand<'_>]) -> PyResult<&'a [isize]> {
    let mut shapes = operands.iter().filter_map(|operand| match operand {
        Operand::Array(array) => Some(array.shape()),
        Operand::Scalar(_) => None,
    });
    let first = shapes
        .next()
        .ok_or_else(|| PyTypeError::new_err("map needs at least one array among its arguments, got numbers only"))?;
    match shapes.find(|shape| *shape != first) {
        None => Ok(first),
        Some(other) => Err(PyValueError::new_err(format!(
            "map needs arrays of the same shape, got {} and {}",
            shown(first),
            shown(other)
        ))),
    }
}

/// The results on their way into an array.
struct Results<'py> {
    array: Borrowed<'py>,
    /// Where they go first if the array's elements do not follow one another.
    detour: Option<Vec<u8>>,
}

impl<'py> Results<'py> {
    fn new(out: &Bound<'py, PyAny>, number: Number, shape: &[isize]) -> PyResult<Results<'py>> {
        let array = Borrowed::writable(out)?;
        number.check(&array, "out")?;
        if array.shape() != shape {
            return Err(PyValueError::new_err(format!(
                "expected an array of shape {} for out, got {}",
                shown(shape),
                shown(array.shape())
            )));
        }
        let detour = if array.contiguous().is_some() { None } else { Some(array.to_vec()?) };
        Ok(Results { array, detour })
    }

    fn start(&mut self) -> *mut u8 {
        match (&mut self.detour, self.array.contiguous()) {
            (None, Some(start)) => start,
            (detour, _) => detour.get_or_insert_default().as_mut_ptr(),
        }
    }

    /// Whether writing the results changes elements of `other` that are read later.
    fn disturbs(&self, other: &Borrowed<'_>) -> bool {
        match (&self.detour, self.array.contiguous(), other.contiguous()) {
            (None, Some(ours), Some(theirs)) => {
                let (ours, theirs) = (ours as usize, theirs as usize);
                // In place is fine: an element is read before it is written.
                let in_place = ours == theirs && self.array.item_size() == other.item_size();
                !in_place && ours < theirs + other.len() && theirs < ours + self.array.len()
            }
            _ => false,
        }
    }

    fn finish(self) -> PyResult<()> {
        match self.detour {
            Some(bytes) => self.array.copy_from(&bytes),
            None => Ok(()),
        }
    }
}

/// The helper module for a signature, compiled once for each engine.
fn module(py: Python<'_>, engine: &EngineState, shape: &Shape) -> PyResult<Module> {
    if let Some(module) = engine.map_modules.lock().get(shape) {
        return Ok(module.clone());
    }
    let text = shape.text();
    let module = gil::detached(py, || compile::helper(engine, &text)).inspect_err(|error| {
        let _ = error.value(py).call_method1("add_note", ("map compiles a helper module, which failed",));
    })?;
    engine.map_modules.lock().insert(shape.clone(), module.clone());
    Ok(module)
}

#[pymethods]
impl Func {
    /// Apply the function to arrays, element by element, and return the array of the results.
    ///
    /// The function takes and returns numbers (i32, i64, f32, f64). Each argument is an array of the matching type (any
    /// object with the buffer protocol: `array.array`, NumPy arrays, `Memory.buffer`), all of the same shape, or a number
    /// that is used for every element. Results go into `out`, or into a new array: NumPy's if an argument is, else an
    /// `array.array`. A function without a result gives `None`.
    ///
    /// The loop runs inside WebAssembly with the interpreter lock released; Ctrl-C stops it. When an element traps, or a
    /// host function raises, the exception says in a note which element it was, and `map_index` of a `Trap` is its
    /// number. The results before it are in `out`.
    ///
    /// Raises `TypeError` for arrays of another type, and `ValueError` for different shapes. The first time for a
    /// signature a helper is made in the store, which counts as an instance, a memory of 64 KiB and a table.
    #[pyo3(signature = (store, *arrays, out=None))]
    fn map<'py>(
        &self,
        store: &Bound<'py, PyAny>,
        arrays: &Bound<'py, PyTuple>,
        out: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = store.py();
        let callee = self.callee()?;
        let shape = Shape::of(callee)?;
        if arrays.len() != shape.params.len() {
            return Err(signature_error(
                py,
                &format!("map needs {} arguments for {}, got {}", shape.params.len(), callee.signature, arrays.len()),
            ));
        }
        let operands = (callee.signature.params.iter().zip(&shape.params).zip(arrays.iter_borrowed()).enumerate())
            .map(|(position, ((kind, number), value))| Operand::new(kind, *number, &value, position))
            .collect::<PyResult<Vec<_>>>()?;
        let extents = common_shape(&operands)?;
        let count = extents.iter().product::<isize>() as usize;
        let out = match (out, shape.result) {
            (Some(_), None) => return Err(PyTypeError::new_err("out was given, but the function has no result")),
            (None, Some(number)) => Some(new_array(arrays, number, extents)?),
            (out, _) => out,
        };
        let mut results = match (&out, shape.result) {
            (Some(out), Some(number)) => Some(Results::new(out, number, extents)?),
            _ => None,
        };
        // Copies of what does not lie in order, or would be overwritten before it is read.
        let mut copies = Vec::new();
        let mut params = Vec::with_capacity(operands.len());
        for operand in &operands {
            params.push(match operand {
                Operand::Scalar(bytes) => Column::Scalar(*bytes),
                Operand::Array(array) => match array.contiguous() {
                    Some(start) if !results.as_ref().is_some_and(|results| results.disturbs(array)) => {
                        Column::Array(start)
                    }
                    _ => {
                        let copy = array.to_vec()?;
                        let start = copy.as_ptr();
                        copies.push(copy);
                        Column::Array(start)
                    }
                },
            });
        }
        let columns = Columns {
            count,
            chunk: shape.chunk(),
            offsets: shape.offsets(),
            numbers: shape.numbers().collect(),
            params,
            result: results.as_mut().map(Results::start),
        };
        let (finished, outcome) = apply(py, store, callee, &shape, &columns)?;
        drop(copies);
        if let Some(results) = results {
            results.finish()?;
        }
        match outcome {
            Ok(()) => Ok(out),
            Err(error) => Err(at_element(py, error, finished, count)),
        }
    }
}

/// Runs the loop in a helper of the store, which is kept for the next time.
fn apply(
    py: Python<'_>,
    store: &Bound<'_, PyAny>,
    callee: &Callee,
    shape: &Shape,
    columns: &Columns,
) -> PyResult<(usize, PyResult<()>)> {
    let mut entry = StoreArg::new(store)?.enter_own(callee.store_id, "Func")?;
    check_type(&mut entry.ctx(), callee)?;
    if asyncio::needs_fiber(&mut entry) {
        return Err(wasmtime_error(
            py,
            "map cannot be used in a store that has made asynchronous calls: use another store",
        ));
    }
    let engine = entry.ctx().data().engine.clone();
    let helper = match entry.ctx().data_mut().map_helpers.take(shape) {
        Some(helper) => helper,
        None => {
            let module = module(py, &engine, shape)?;
            Helper::new(entry.ctx(), &module).or_raise(py)?
        }
    };
    let outcome = gil::run(py, &mut entry, |ctx| Ok(helper.apply(ctx, callee, columns)));
    entry.ctx().data_mut().map_helpers.give_back(shape, helper);
    let (finished, outcome) = outcome?;
    let outcome = outcome.or_raise(py).map_err(|error| with_thrown(py, entry.ctx(), error));
    Ok((finished, outcome))
}

/// The helper calls functions whose type is nothing but parameters and results.
fn check_type(ctx: &mut StoreContextMut<'_, Data>, callee: &Callee) -> PyResult<()> {
    let ty = callee.func.ty(&*ctx);
    let plain = FuncType::new(ctx.engine(), ty.params(), ty.results());
    if FuncType::eq(&ty, &plain) {
        return Ok(());
    }
    Err(PyTypeError::new_err(
        "map cannot call this function: its type is part of a recursion group or has a supertype; export a function \
         of a plain type that calls it",
    ))
}

/// Says in an exception which element it was about.
fn at_element(py: Python<'_>, error: PyErr, index: usize, count: usize) -> PyErr {
    let value = error.value(py);
    let _ = value.call_method1("add_note", (format!("at element {index} of {count} in map"),));
    if value.hasattr("map_index").unwrap_or(false) {
        let _ = value.setattr("map_index", index);
    }
    error
}
