//! The part of a `WasiConfig` that is about the network.

use std::net::SocketAddr;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::sockets::SocketAddrUse;

pub(crate) use super::asked::Asked;
use super::config::WasiConfig;
use super::http::{Hooks, HostPattern};
use super::owner::Slot;
use crate::errors::expected;
use crate::numbers;

/// Which addresses a guest may use.
#[derive(Default)]
enum Addresses<C> {
    #[default]
    None,
    All,
    /// Those that a callable permits.
    Checked(C),
}

/// What is set.
pub(super) struct Settings {
    addresses: Addresses<Py<PyAny>>,
    tcp: bool,
    udp: bool,
    ip_name_lookup: bool,
    http_hosts: Vec<HostPattern>,
    http_handler: Option<Py<PyAny>>,
    http_max_request_body: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            addresses: Addresses::None,
            tcp: true,
            udp: true,
            ip_name_lookup: false,
            http_hosts: Vec::new(),
            http_handler: None,
            http_max_request_body: 16 << 20,
        }
    }
}

impl Settings {
    /// The network of one store. `own` makes slots for the callables.
    pub(super) fn assemble(&self, mut own: impl FnMut(&Py<PyAny>) -> Arc<Slot>) -> Network {
        let asked = Asked::default();
        Network {
            addresses: match &self.addresses {
                Addresses::None => Addresses::None,
                Addresses::All => Addresses::All,
                Addresses::Checked(check) => Addresses::Checked(own(check)),
            },
            tcp: self.tcp,
            udp: self.udp,
            ip_name_lookup: self.ip_name_lookup,
            http: Hooks {
                hosts: self.http_hosts.clone(),
                handler: self.http_handler.as_ref().map(own),
                max_request_body: usize::try_from(self.http_max_request_body).unwrap_or(usize::MAX),
                asked: asked.clone(),
            },
            asked,
        }
    }

    pub(super) fn objects(&self) -> impl Iterator<Item = &Py<PyAny>> {
        let check = match &self.addresses {
            Addresses::Checked(check) => Some(check),
            Addresses::None | Addresses::All => None,
        };
        check.into_iter().chain(&self.http_handler)
    }
}

/// The network of one store: by default, none.
#[derive(Default)]
pub(crate) struct Network {
    addresses: Addresses<Arc<Slot>>,
    tcp: bool,
    udp: bool,
    ip_name_lookup: bool,
    asked: Asked,
    pub(crate) http: Hooks,
}

impl Network {
    pub(super) fn configure(&self, builder: &mut WasiCtxBuilder) {
        let any = !matches!(self.addresses, Addresses::None);
        builder.allow_tcp(any && self.tcp).allow_udp(any && self.udp).allow_ip_name_lookup(self.ip_name_lookup);
        match &self.addresses {
            Addresses::None => {}
            Addresses::All => {
                builder.inherit_network();
            }
            Addresses::Checked(check) => {
                let (check, asked) = (check.clone(), self.asked.clone());
                builder.socket_addr_check(move |address, purpose| {
                    if is_no_choice(address, purpose) {
                        return Box::pin(async { true });
                    }
                    let check = check.clone();
                    let permitted =
                        asked.ask(move |py| permits(py, &check, address, purpose), |answer| answer.is_truthy());
                    Box::pin(async { permitted.await.unwrap_or(false) })
                });
            }
        }
    }

    /// What the guest's waits need if it may use the network.
    pub(crate) fn in_use(&self) -> Option<Asked> {
        let any = !matches!(self.addresses, Addresses::None) || self.ip_name_lookup || self.http.allow_any();
        any.then(|| self.asked.clone())
    }
}

/// Binding to no address and no port in particular, which connecting and sending do first: nobody can be reached by it
/// alone.
fn is_no_choice(address: SocketAddr, purpose: SocketAddrUse) -> bool {
    matches!(purpose, SocketAddrUse::TcpBind | SocketAddrUse::UdpBind)
        && address.ip().is_unspecified()
        && address.port() == 0
}

fn permits<'py>(
    py: Python<'py>,
    check: &Slot,
    address: SocketAddr,
    purpose: SocketAddrUse,
) -> PyResult<Bound<'py, PyAny>> {
    let purpose = match purpose {
        SocketAddrUse::TcpBind => "TCP_BIND",
        SocketAddrUse::TcpListen => "TCP_LISTEN",
        SocketAddrUse::TcpAccept => "TCP_ACCEPT",
        SocketAddrUse::TcpConnect => "TCP_CONNECT",
        SocketAddrUse::UdpBind => "UDP_BIND",
        SocketAddrUse::UdpSend => "UDP_SEND",
        SocketAddrUse::UdpReceive => "UDP_RECEIVE",
    };
    let module = py.import("ferrowasm._network")?;
    let address = module.getattr("SocketAddr")?.call1((address.ip().to_string(), address.port()))?;
    let purpose = module.getattr("SocketAddrUse")?.getattr(purpose)?;
    check.get(py)?.call1((address, purpose))
}

fn flag(value: &Bound<'_, PyAny>, name: &str) -> PyResult<bool> {
    Ok(value.cast::<PyBool>().map_err(|_| expected(&format!("a bool for {name}"), value))?.is_true())
}

fn callable(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<Py<PyAny>>> {
    match value {
        Some(value) if !value.is_callable() => Err(expected(&format!("a callable or None for {name}"), value)),
        value => Ok(value.map(|value| value.clone().unbind())),
    }
}

#[pymethods]
impl WasiConfig {
    /// Let the program use the whole network that this process can use: all addresses, TCP, UDP and name lookup.
    fn inherit_network(&self) -> PyResult<()> {
        self.change(|state| {
            let network = &mut state.network;
            (network.tcp, network.udp, network.ip_name_lookup) = (true, true, true);
            std::mem::replace(&mut network.addresses, Addresses::All)
        })
    }

    /// A callable that decides which addresses the program may use, or `None` (the default) for no address at all.
    ///
    /// It is called with a `SocketAddr` and a `SocketAddrUse` each time before an address is used, and what it returns
    /// is taken as true or false; a refusal is an error that the program sees. What it raises comes out of the
    /// WebAssembly call. It runs on the thread of that call, and the store is busy meanwhile. In asynchronous calls it
    /// may be a coroutine function.
    ///
    /// To bind to no address and port in particular, as connecting does, needs no permission.
    #[getter]
    fn socket_addr_check(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match &self.lock()?.network.addresses {
            Addresses::Checked(check) => Ok(Some(check.clone_ref(py))),
            Addresses::None | Addresses::All => Ok(None),
        }
    }

    #[setter]
    fn set_socket_addr_check(&self, check: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let addresses = match callable(check, "socket_addr_check")? {
            Some(check) => Addresses::Checked(check),
            None => Addresses::None,
        };
        self.change(|state| std::mem::replace(&mut state.network.addresses, addresses))
    }

    /// Whether the program may use TCP with the addresses that it may use: true by default.
    #[getter]
    fn allow_tcp(&self) -> PyResult<bool> {
        Ok(self.lock()?.network.tcp)
    }

    #[setter]
    fn set_allow_tcp(&self, enable: &Bound<'_, PyAny>) -> PyResult<()> {
        let enable = flag(enable, "allow_tcp")?;
        self.change(|state| state.network.tcp = enable)
    }

    /// Whether the program may use UDP with the addresses that it may use: true by default.
    #[getter]
    fn allow_udp(&self) -> PyResult<bool> {
        Ok(self.lock()?.network.udp)
    }

    #[setter]
    fn set_allow_udp(&self, enable: &Bound<'_, PyAny>) -> PyResult<()> {
        let enable = flag(enable, "allow_udp")?;
        self.change(|state| state.network.udp = enable)
    }

    /// Whether the program may look up names of hosts: false by default.
    #[getter]
    fn allow_ip_name_lookup(&self) -> PyResult<bool> {
        Ok(self.lock()?.network.ip_name_lookup)
    }

    #[setter]
    fn set_allow_ip_name_lookup(&self, enable: &Bound<'_, PyAny>) -> PyResult<()> {
        let enable = flag(enable, "allow_ip_name_lookup")?;
        self.change(|state| state.network.ip_name_lookup = enable)
    }

    /// The hosts that HTTP requests of the program may go to, a list of `str`; by default none.
    ///
    /// Each is a name or address, as in `"example.com"`, `"127.0.0.1:8080"`, `"[::1]:8080"` or `"https://example.com"`.
    /// Without a scheme it is for http and https, without a port for the scheme's own. `"*.example.com"` stands for all
    /// names that end like this. Takes any iterable of `str`; raises `ValueError` for anything else in them, like a
    /// path.
    #[getter]
    fn http_hosts(&self) -> PyResult<Vec<String>> {
        Ok(self.lock()?.network.http_hosts.iter().map(HostPattern::to_string).collect())
    }

    #[setter]
    fn set_http_hosts(&self, hosts: &Bound<'_, PyAny>) -> PyResult<()> {
        if super::parse::is_text_or_bytes(hosts) {
            return Err(expected("an iterable of str for http_hosts", hosts));
        }
        let hosts = hosts.try_iter()?.map(|host| HostPattern::parse(&host?)).collect::<PyResult<_>>()?;
        self.change(|state| std::mem::replace(&mut state.network.http_hosts, hosts))
    }

    /// A callable that gets each HTTP request of the program which `http_hosts` does not permit, or `None` (the
    /// default) to refuse them.
    ///
    /// It is called with an `HttpRequest`. An `HttpResponse` that it returns is what the program gets; an `HttpRequest`,
    /// the same or another one, is sent; `None` refuses the request, which is an error that the program sees. What it
    /// raises comes out of the WebAssembly call. It runs on the thread of that call, and the store is busy meanwhile. In
    /// asynchronous calls it may be a coroutine function.
    #[getter]
    fn http_handler(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        Ok(self.lock()?.network.http_handler.as_ref().map(|handler| handler.clone_ref(py)))
    }

    #[setter]
    fn set_http_handler(&self, handler: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let handler = callable(handler, "http_handler")?;
        self.change(|state| std::mem::replace(&mut state.network.http_handler, handler))
    }

    /// The largest body, in bytes, of a request for `http_handler`: 16 MiB by default. The program sees an error when it
    /// sends more.
    #[getter]
    fn http_max_request_body(&self) -> PyResult<u64> {
        Ok(self.lock()?.network.http_max_request_body)
    }

    #[setter]
    fn set_http_max_request_body(&self, bytes: &Bound<'_, PyAny>) -> PyResult<()> {
        if bytes.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err("expected an int for http_max_request_body, got bool"));
        }
        let bytes = numbers::unsigned(bytes, "http_max_request_body", u64::MAX)?;
        self.change(|state| state.network.http_max_request_body = bytes)
    }
}
