// A command that uses the network as its arguments say.
#include <stdio.h>
#include "imports.h"

IMPORT("sockets/instance-network", "instance-network") handle instance_network(void);
IMPORT("sockets/tcp-create-socket", "create-tcp-socket") void create_tcp(int32_t, void *);
IMPORT("sockets/tcp", "[method]tcp-socket.subscribe") handle tcp_subscribe(handle);
IMPORT("sockets/tcp", "[method]tcp-socket.finish-connect") void tcp_finish_connect(handle, void *);
IMPORT("sockets/tcp", "[method]tcp-socket.finish-bind") void tcp_finish_bind(handle, void *);
IMPORT("sockets/tcp", "[method]tcp-socket.start-listen") void tcp_start_listen(handle, void *);
IMPORT("sockets/tcp", "[method]tcp-socket.finish-listen") void tcp_finish_listen(handle, void *);
IMPORT("sockets/tcp", "[method]tcp-socket.accept") void tcp_accept(handle, void *);
IMPORT("sockets/tcp", "[method]tcp-socket.local-address") void tcp_local_address(handle, void *);
IMPORT("sockets/udp-create-socket", "create-udp-socket") void create_udp(int32_t, void *);
IMPORT("sockets/udp", "[method]udp-socket.finish-bind") void udp_finish_bind(handle, void *);
IMPORT("sockets/udp", "[method]outgoing-datagram-stream.check-send") void udp_check_send(handle, void *);
IMPORT("sockets/udp", "[method]outgoing-datagram-stream.send") void udp_send(handle, const void *, size_t, void *);
IMPORT("sockets/udp", "[method]incoming-datagram-stream.receive") void udp_receive(handle, uint64_t, void *);
IMPORT("sockets/udp", "[method]incoming-datagram-stream.subscribe") handle udp_subscribe(handle);
IMPORT("sockets/ip-name-lookup", "resolve-addresses") void resolve(handle, const char *, size_t, void *);
IMPORT("sockets/ip-name-lookup", "[method]resolve-address-stream.resolve-next-address") void resolve_next(handle, void *);
IMPORT("sockets/ip-name-lookup", "[method]resolve-address-stream.subscribe") handle resolve_subscribe(handle);

// An address is a variant: its case, and as many numbers as the larger case has. For IPv4 these are the port and four bytes.
#define ADDRESS int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t, int32_t
#define IPV4(ip, port) 0, port, ip[0], ip[1], ip[2], ip[3], 0, 0, 0, 0, 0, 0
IMPORT("sockets/tcp", "[method]tcp-socket.start-bind") void tcp_start_bind(handle, handle, ADDRESS, void *);
IMPORT("sockets/tcp", "[method]tcp-socket.start-connect") void tcp_start_connect(handle, handle, ADDRESS, void *);
IMPORT("sockets/udp", "[method]udp-socket.start-bind") void udp_start_bind(handle, handle, ADDRESS, void *);
IMPORT("sockets/udp", "[method]udp-socket.stream") void udp_stream(handle, int32_t, ADDRESS, void *);

enum { ACCESS_DENIED = 1, WOULD_BLOCK = 8 };

static const char *const NAMES[] = {
    "unknown", "access-denied", "not-supported", "invalid-argument", "out-of-memory", "timeout", "concurrency-conflict",
    "not-in-progress", "would-block", "invalid-state", "new-socket-limit", "address-not-bindable", "address-in-use",
    "remote-unreachable", "connection-refused", "connection-reset", "connection-aborted", "datagram-too-large",
    "name-unresolvable", "temporary-resolver-failure", "permanent-resolver-failure"};

// Ends the program if the last function failed.
static void check(const char *what, int offset) {
  if (!result[0]) return;
  printf("%s: %s\n", what, NAMES[result[offset]]);
  exit(0);
}

static uint8_t ip[4];

static void parse_ip(const char *text) {
  for (int i = 0; i < 4; i++, text++) ip[i] = strtol(text, (char **)&text, 10);
}

static handle new_tcp(void) { create_tcp(0, result); check("create", 4); return at(4); }

static void converse(handle in, handle out, const char *words) {
  if (send_bytes(out, words, strlen(words))) puts("cannot send");
  print_stream(in, 1);
}

// With `patient`, waits for the connection; without, asks again and again.
static void connect_to(int port, int patient) {
  handle socket = new_tcp();
  tcp_start_connect(socket, instance_network(), IPV4(ip, port), result);
  check("connect", 1);
  for (;;) {
    if (patient) wait_for(tcp_subscribe(socket));
    tcp_finish_connect(socket, result);
    if (!result[0] || result[4] != WOULD_BLOCK) break;
  }
  check("connect", 4);
  converse(at(4), at(8), "ping");
}

static void listen_at(int port) {
  handle socket = new_tcp();
  tcp_start_bind(socket, instance_network(), IPV4(ip, port), result);
  check("bind", 1);
  tcp_finish_bind(socket, result);
  tcp_start_listen(socket, result);
  check("listen", 1);
  tcp_finish_listen(socket, result);
  tcp_local_address(socket, result);
  printf("%d\n", result[8] | result[9] << 8);
  fflush(stdout);
  do {
    wait_for(tcp_subscribe(socket));
    tcp_accept(socket, result);
  } while (result[0] && result[4] == WOULD_BLOCK);
  check("accept", 4);
  converse(at(8), at(12), "welcome");
}

static void datagram_to(int port) {
  static const uint8_t any[4];
  create_udp(0, result);
  check("create", 4);
  handle socket = at(4);
  udp_start_bind(socket, instance_network(), IPV4(any, 0), result);
  check("bind", 1);
  udp_finish_bind(socket, result);
  udp_stream(socket, 0, IPV4(any, 0), result);
  check("stream", 4);
  handle in = at(4), out = at(8);
  udp_check_send(out, result);
  // A list of one datagram: its bytes, and the address in an option.
  uint32_t datagram[11] = {(uint32_t) "ping", 4};
  uint8_t *address = (uint8_t *)(datagram + 2);
  address[0] = 1;
  memcpy(address + 8, &port, 2);
  memcpy(address + 10, ip, 4);
  udp_send(out, datagram, 1, result);
  check("send", 8);
  do {
    wait_for(udp_subscribe(in));
    udp_receive(in, 1, result);
    check("receive", 4);
  } while (at(8) == 0);
  uint32_t *received = (uint32_t *)at(4);
  fwrite((void *)received[0], 1, received[1], stdout);
}

static void lookup(const char *name) {
  resolve(instance_network(), name, strlen(name), result);
  check("resolve", 4);
  handle stream = at(4);
  for (;;) {
    wait_for(resolve_subscribe(stream));
    resolve_next(stream, result);
    check("resolve", 2);
    if (!result[2]) return;
    if (!result[4]) printf("%d.%d.%d.%d\n", result[6], result[7], result[8], result[9]);
  }
}

int main(int argc, char **argv) {
  const char *what = argv[1];
  if (argc > 3) parse_ip(argv[2]);
  int port = argc > 3 ? atoi(argv[3]) : 0;
  if (!strcmp(what, "connect")) connect_to(port, 1);
  if (!strcmp(what, "connect-busily")) connect_to(port, 0);
  if (!strcmp(what, "listen")) listen_at(port);
  if (!strcmp(what, "datagram")) datagram_to(port);
  if (!strcmp(what, "lookup")) lookup(argv[2]);
  return 0;
}
