// A till with a world of its own (till.wit): records, lists and strings both ways, in terms of the canonical ABI.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

typedef struct { char *bytes; size_t length; } string;
typedef struct { string name; uint32_t quantity; double price; } item;
typedef struct { double total; string *lines; size_t length; } receipt;
typedef struct { uint8_t is_some; double value; } option;
typedef struct { uint8_t is_err; union { receipt receipt; string error; }; } answer;

IMPORT("test:shop/discounts@1.0.0", "discount")
void discount(const char *customer, size_t length, const char *name, size_t name_length, uint32_t quantity,
              double price, option *result);

IMPORT("$root", "note") void note(const char *line, size_t length);

// Blocks that the host or this program allocated and nobody has freed yet.
static uint32_t in_use;

EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  // What is empty has no block.
  if (!size) return (void *)align;
  if (!old) in_use++;
  return realloc(old, size);
}

static void release(void *block) { in_use--; free(block); }

static string copy(const char *text, size_t length) {
  string made = { cabi_realloc(0, 0, 1, length), length };
  memcpy(made.bytes, text, length);
  return made;
}

static string line(const item *sold, double price) {
  char text[256];
  int name_length = (int)sold->name.length;
  int length = snprintf(text, sizeof text, "%u x %.*s: %.2f", sold->quantity, name_length, sold->name.bytes, price);
  // What does not fit is left out.
  if (length >= (int)sizeof text) length = sizeof text - 1;
  note(text, length);
  return copy(text, length);
}

static double price_for(string customer, const item *sold) {
  option off;
  discount(customer.bytes, customer.length, sold->name.bytes, sold->name.length, sold->quantity, sold->price, &off);
  return sold->quantity * sold->price * (off.is_some ? 1 - off.value : 1);
}

static void sell(string customer, const item *items, size_t count, answer *result) {
  receipt made = { 0, cabi_realloc(0, 0, 4, count * sizeof(string)), count };
  for (size_t i = 0; i < count; i++) {
    double price = price_for(customer, &items[i]);
    made.total += price;
    made.lines[i] = line(&items[i], price);
  }
  result->is_err = 0;
  result->receipt = made;
}

static void refuse(const char *reason, answer *result) {
  result->is_err = 1;
  result->error = copy(reason, strlen(reason));
}

EXPORT("test:shop/till@1.0.0#checkout")
answer *checkout(char *customer, size_t length, item *items, size_t count) {
  static answer result;
  if (count) sell((string){ customer, length }, items, count, &result);
  else refuse("nothing to pay for", &result);
  // Arguments belong to the callee.
  for (size_t i = 0; i < count; i++) if (items[i].name.length) release(items[i].name.bytes);
  if (count) release(items);
  if (length) release(customer);
  return &result;
}

EXPORT("cabi_post_test:shop/till@1.0.0#checkout")
void after_checkout(answer *result) {
  if (result->is_err) { release(result->error.bytes); return; }
  for (size_t i = 0; i < result->receipt.length; i++) release(result->receipt.lines[i].bytes);
  release(result->receipt.lines);
}

EXPORT("test:shop/till@1.0.0#in-use") uint32_t blocks_in_use(void) { return in_use; }
