// A command that sends one HTTP request: METHOD SCHEME AUTHORITY PATH [BODY]. It prints the status, the header `x-answer` and the body.
#include <stdio.h>
#include "imports.h"

IMPORT("http/types", "[constructor]fields") handle new_fields(void);
IMPORT("http/types", "[method]fields.append") void fields_append(handle, const char *, size_t, const char *, size_t, void *);
IMPORT("http/types", "[method]fields.get") void fields_get(handle, const char *, size_t, void *);
IMPORT("http/types", "[constructor]outgoing-request") handle new_request(handle);
IMPORT("http/types", "[method]outgoing-request.set-method") int32_t set_method(handle, int32_t, const char *, size_t);
IMPORT("http/types", "[method]outgoing-request.set-scheme") int32_t set_scheme(handle, int32_t, int32_t, const char *, size_t);
IMPORT("http/types", "[method]outgoing-request.set-authority") int32_t set_authority(handle, int32_t, const char *, size_t);
IMPORT("http/types", "[method]outgoing-request.set-path-with-query") int32_t set_path(handle, int32_t, const char *, size_t);
IMPORT("http/types", "[method]outgoing-request.body") void request_body(handle, void *);
IMPORT("http/types", "[method]outgoing-body.write") void body_write(handle, void *);
IMPORT("http/types", "[static]outgoing-body.finish") void body_finish(handle, int32_t, handle, void *);
IMPORT("http/outgoing-handler", "handle") void send_request(handle, int32_t, handle, void *);
IMPORT("http/types", "[method]future-incoming-response.subscribe") handle future_subscribe(handle);
IMPORT("http/types", "[method]future-incoming-response.get") void future_get(handle, void *);
IMPORT("http/types", "[method]incoming-response.status") int32_t response_status(handle);
IMPORT("http/types", "[method]incoming-response.headers") handle response_headers(handle);
IMPORT("http/types", "[method]incoming-response.consume") void response_consume(handle, void *);
IMPORT("http/types", "[method]incoming-body.stream") void body_stream(handle, void *);

#define TEXT(text) (text), strlen(text)

static int failed(int code) { printf("error %d\n", code); return 0; }

// A body of many megabytes, to see who has to hold it.
static void send_much(handle stream, int chunks) {
  static char chunk[4096];
  for (int i = 0; i < chunks && !send_bytes(stream, chunk, sizeof chunk); i++);
}

int main(int argc, char **argv) {
  handle headers = new_fields();
  fields_append(headers, TEXT("x-question"), TEXT("caf\xe9"), result);
  handle request = new_request(headers);
  // Case 9 is a method by its name.
  set_method(request, 9, TEXT(argv[1]));
  set_scheme(request, 1, strcmp(argv[2], "http") ? 1 : 0, 0, 0);
  set_authority(request, 1, TEXT(argv[3]));
  set_path(request, 1, TEXT(argv[4]));
  request_body(request, result);
  handle body = at(4);
  send_request(request, 0, 0, result);
  if (result[0]) return failed(result[8]);
  handle future = at(8);
  body_write(body, result);
  handle stream = at(4);
  if (argc > 5 && !strcmp(argv[5], "much")) send_much(stream, argc > 6 ? atoi(argv[6]) : 8192);
  else if (argc > 5) send_bytes(stream, TEXT(argv[5]));
  output_drop(stream);
  body_finish(body, 0, 0, result);
  do {
    wait_for(future_subscribe(future));
    future_get(future, result);
  } while (!result[0]);
  if (result[16]) return failed(result[24]);
  handle response = at(24);
  printf("%d ", response_status(response));
  fields_get(response_headers(response), TEXT("x-answer"), result);
  if (at(4)) fwrite(*(void **)at(0), 1, ((size_t *)at(0))[1], stdout);
  putchar('\n');
  response_consume(response, result);
  handle incoming = at(4);
  body_stream(incoming, result);
  print_stream(at(4), 0);
  return 0;
}
