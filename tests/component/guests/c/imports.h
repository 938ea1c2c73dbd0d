// The canonical ABI by hand: what a function of WIT looks like to the core module that imports it.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT(interface, name) __attribute__((import_module("wasi:" interface "@0.2.12"), import_name(name)))

typedef int32_t handle;

// Where results go that do not fit into one number: a tag in the first byte, and behind it what the type says.
static uint8_t result[512] __attribute__((aligned(8)));

static int32_t at(int offset) { int32_t value; memcpy(&value, result + offset, 4); return value; }

__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) { return realloc(old, size); }

IMPORT("io/poll", "[method]pollable.block") void pollable_block(handle);
IMPORT("io/poll", "[resource-drop]pollable") void pollable_drop(handle);
IMPORT("io/streams", "[method]input-stream.blocking-read") void stream_read(handle, uint64_t, void *);
IMPORT("io/streams", "[method]output-stream.blocking-write-and-flush") void stream_write(handle, const void *, size_t, void *);
IMPORT("io/streams", "[resource-drop]input-stream") void input_drop(handle);
IMPORT("io/streams", "[resource-drop]output-stream") void output_drop(handle);

static void wait_for(handle pollable) { pollable_block(pollable); pollable_drop(pollable); }

static int send_bytes(handle stream, const char *bytes, size_t length) {
  for (size_t chunk; length; bytes += chunk, length -= chunk) {
    chunk = length < 4096 ? length : 4096;
    stream_write(stream, bytes, chunk, result);
    if (result[0]) return -1;
  }
  return 0;
}

// Prints a stream to its end; with `once` only what comes first.
static void print_stream(handle stream, int once) {
  do {
    stream_read(stream, 4096, result);
    if (result[0]) break;
    fwrite((void *)at(4), 1, at(8), stdout);
    fflush(stdout);
    free((void *)at(4));
  } while (!once);
}
