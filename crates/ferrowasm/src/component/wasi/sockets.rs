//! `wasi:sockets`: the functions that start something, which goes on in the background.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::network::{IpAddressFamily, IpSocketAddress, Network};
use wasmtime_wasi::p2::bindings::sockets::tcp::{HostTcpSocket, TcpSocket};
use wasmtime_wasi::p2::bindings::sockets::udp::{
    HostIncomingDatagramStream, HostOutgoingDatagramStream, HostUdpSocket, IncomingDatagramStream, OutgoingDatagram,
    OutgoingDatagramStream, UdpSocket,
};
use wasmtime_wasi::p2::bindings::sockets::{
    ip_name_lookup, tcp_create_socket::Host as CreateTcp, udp_create_socket::Host as CreateUdp,
};
use wasmtime_wasi::sockets::WasiSocketsView;

use super::driver::{Driver, forward};
use super::versioned;
use crate::store::Data;
use ip_name_lookup::{Host as Lookup, HostResolveAddressStream, ResolveAddressStream};

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    tcp(linker)?;
    udp(linker)?;
    let mut lookup = linker.instance(versioned!("wasi:sockets/ip-name-lookup"))?;
    forward! { lookup, sockets, wasmtime_wasi::p2::bindings::sockets::network::Host, convert_error_code:
        "resolve-addresses" => Lookup::resolve_addresses(network: Resource<Network>, name: String);
        "[method]resolve-address-stream.resolve-next-address" =>
            HostResolveAddressStream::resolve_next_address(stream: Resource<ResolveAddressStream>);
    }
    Ok(())
}

fn tcp(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    let mut create = linker.instance(versioned!("wasi:sockets/tcp-create-socket"))?;
    forward! { create, sockets, wasmtime_wasi::p2::bindings::sockets::network::Host, convert_error_code:
        "create-tcp-socket" => CreateTcp::create_tcp_socket(family: IpAddressFamily);
    }
    let mut tcp = linker.instance(versioned!("wasi:sockets/tcp"))?;
    forward! { tcp, sockets, wasmtime_wasi::p2::bindings::sockets::network::Host, convert_error_code:
        "[method]tcp-socket.start-bind" => HostTcpSocket::start_bind(
            socket: Resource<TcpSocket>, network: Resource<Network>, address: IpSocketAddress,
        ) as waiting;
        "[method]tcp-socket.start-connect" => HostTcpSocket::start_connect(
            socket: Resource<TcpSocket>, network: Resource<Network>, address: IpSocketAddress,
        );
        "[method]tcp-socket.finish-connect" => HostTcpSocket::finish_connect(socket: Resource<TcpSocket>);
        "[method]tcp-socket.start-listen" => HostTcpSocket::start_listen(socket: Resource<TcpSocket>) as waiting;
        "[method]tcp-socket.accept" => HostTcpSocket::accept(socket: Resource<TcpSocket>);
    }
    Ok(())
}

fn udp(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    let mut create = linker.instance(versioned!("wasi:sockets/udp-create-socket"))?;
    forward! { create, sockets, wasmtime_wasi::p2::bindings::sockets::network::Host, convert_error_code:
        "create-udp-socket" => CreateUdp::create_udp_socket(family: IpAddressFamily) as waiting;
    }
    let mut udp = linker.instance(versioned!("wasi:sockets/udp"))?;
    forward! { udp, sockets, wasmtime_wasi::p2::bindings::sockets::network::Host, convert_error_code:
        "[method]udp-socket.start-bind" => HostUdpSocket::start_bind(
            socket: Resource<UdpSocket>, network: Resource<Network>, address: IpSocketAddress,
        ) as waiting;
        "[method]udp-socket.stream" =>
            HostUdpSocket::stream(socket: Resource<UdpSocket>, address: Option<IpSocketAddress>) as waiting;
        "[method]incoming-datagram-stream.receive" =>
            HostIncomingDatagramStream::receive(stream: Resource<IncomingDatagramStream>, max: u64);
        "[method]outgoing-datagram-stream.check-send" =>
            HostOutgoingDatagramStream::check_send(stream: Resource<OutgoingDatagramStream>);
        "[method]outgoing-datagram-stream.send" => HostOutgoingDatagramStream::send(
            stream: Resource<OutgoingDatagramStream>, datagrams: Vec<OutgoingDatagram>,
        );
    }
    let stream = ResourceType::host::<OutgoingDatagramStream>();
    udp.resource("outgoing-datagram-stream", stream, |mut ctx: StoreContextMut<'_, Data>, rep| {
        let driver = Driver::new(ctx.data_mut());
        let mut view = ctx.data_mut().sockets();
        driver.block_on(HostOutgoingDatagramStream::drop(&mut view, Resource::new_own(rep)))?
    })
}
