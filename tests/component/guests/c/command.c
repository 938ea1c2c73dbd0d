// A command whose first argument says what to do, for tests of what a program sees of its host.
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

// The error that an operation ended with is the exit code of the checks below.
static int report(int failed) { printf("%s\n", failed ? strerror(errno) : "done"); return failed; }

static int show(int argc, char **argv) {
  for (int i = 0; i < argc; i++) printf("%s\n", argv[i]);
  for (char **variable = environ; variable && *variable; variable++) printf("%s\n", *variable);
  return 0;
}

static int copy(FILE *from, FILE *to) {
  char buffer[3000];
  size_t length;
  while ((length = fread(buffer, 1, sizeof buffer, from)) > 0) fwrite(buffer, 1, length, to);
  return fflush(to);
}

static int list(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) return report(1);
  for (struct dirent *entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.') printf("%s\n", entry->d_name);
  closedir(folder);
  return 0;
}

static int sleep_for(const char *milliseconds) {
  long duration = atol(milliseconds);
  struct timespec before, after, time = {duration / 1000, duration % 1000 * 1000000};
  clock_gettime(CLOCK_MONOTONIC, &before);
  nanosleep(&time, NULL);
  clock_gettime(CLOCK_MONOTONIC, &after);
  long slept = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
  printf("%s\n", slept >= duration - 1 ? "slept" : "woke early");
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  const char *name = argc > 2 ? argv[2] : "";
  if (!strcmp(what, "show")) return show(argc, argv);
  if (!strcmp(what, "copy")) return copy(stdin, stdout);
  if (!strcmp(what, "complain")) return fputs(name, stderr) < 0;
  if (!strcmp(what, "list")) return list(name);
  if (!strcmp(what, "sleep")) return sleep_for(name);
  if (!strcmp(what, "time")) return printf("%lld\n", (long long)time(NULL)) < 0;
  if (!strcmp(what, "mkdir")) return report(mkdir(name, 0777) != 0);
  if (!strcmp(what, "remove")) return report(unlink(name) != 0);
  if (!strcmp(what, "abort")) abort();
  if (!strcmp(what, "spin")) for (volatile unsigned i = 0;; i++);
  if (!strcmp(what, "fill")) for (char line[1024] = {0};;) fwrite(line, 1, sizeof line, stdout);
  if (!strcmp(what, "random")) {
    uint64_t number;
    if (getentropy(&number, sizeof number)) return 2;
    return printf("%llx\n", (unsigned long long)number) < 0;
  }
  if (!strcmp(what, "read") || !strcmp(what, "write")) {
    FILE *file = fopen(name, what[0] == 'r' ? "r" : "w");
    if (!file) return report(1);
    return what[0] == 'r' ? copy(file, stdout) : copy(stdin, file);
  }
  fflush(stdout);
  exit(!strcmp(what, "fail"));
}
