// Takes up space in each way that there is, and prints how far it came and the error that stopped it.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char block[65536];

static int report(long long done) {
    int error = errno;
    printf("%lld %s\n", done, error ? strerror(error) : "ok");
    return error ? 1 : 0;
}

// Writes blocks until that fails, or `limit` bytes.
static int fill(int fd, size_t size, long long limit) {
    long long done = 0;
    errno = 0;
    while (done < limit) {
        ssize_t written = write(fd, block, size);
        if (written <= 0) break;
        done += written;
    }
    return report(done);
}

static int open_at(const char *path, int flags) {
    int fd = open(path, flags, 0666);
    if (fd < 0) exit(report(-1));
    return fd;
}

int main(int argc, char **argv) {
    const char *what = argv[1], *path = argv[2];
    long long number = argc > 3 ? atoll(argv[3]) : 0;
    memset(block, 'x', sizeof block);
    errno = 0;
    if (!strcmp(what, "write")) return fill(open_at(path, O_CREAT | O_WRONLY), 1000, number);
    if (!strcmp(what, "large")) return fill(open_at(path, O_CREAT | O_WRONLY), sizeof block, number);
    if (!strcmp(what, "append")) return fill(open_at(path, O_CREAT | O_WRONLY | O_APPEND), 1000, number);
    if (!strcmp(what, "rewrite")) {
        // In place, a hundred times.
        int fd = open_at(path, O_WRONLY);
        for (int round = 0; round < 100; round++) {
            lseek(fd, 0, SEEK_SET);
            for (long long done = 0; done < number; done += 1000)
                if (write(fd, block, 1000) != 1000) return report(round);
        }
        return report(100);
    }
    if (!strcmp(what, "truncate")) {
        // What is made shorter gives nothing back.
        long long rounds = 0;
        for (; rounds < 1000; rounds++) {
            int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0666);
            if (fd < 0 || write(fd, block, number) != number) break;
            close(fd);
        }
        return report(rounds);
    }
    if (!strcmp(what, "remove")) {
        // Neither does what is removed, open or not.
        long long rounds = 0;
        for (; rounds < 1000; rounds++) {
            int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0666);
            if (fd < 0) break;
            unlink(path);
            if (write(fd, block, number) != number) break;
            if (rounds % 2) close(fd);
        }
        return report(rounds);
    }
    if (!strcmp(what, "resize")) {
        int fd = open_at(path, O_CREAT | O_WRONLY);
        return report(ftruncate(fd, number));
    }
    if (!strcmp(what, "seek")) {
        int fd = open_at(path, O_CREAT | O_WRONLY);
        lseek(fd, number, SEEK_SET);
        return report(write(fd, "x", 1));
    }
    if (!strcmp(what, "pwrite")) {
        int fd = open_at(path, O_CREAT | O_WRONLY);
        return report(pwrite(fd, "x", 1, number));
    }
    if (!strcmp(what, "sparse")) {
        // Every other byte of a file with holes, which were paid for when it was made.
        int fd = open_at(path, O_CREAT | O_WRONLY);
        if (ftruncate(fd, number)) return report(-1);
        for (long long at = 0; at < number; at += 4096)
            if (pwrite(fd, "x", 1, at) != 1) return report(at);
        return report(number);
    }
    // Names without content, in the folder `path`.
    char name[4096];
    long long made = 0;
    snprintf(name, sizeof name, "%s/target", path);
    if (!strcmp(what, "links")) close(open_at(name, O_CREAT | O_WRONLY));
    for (; made < number; made++) {
        char target[4096];
        snprintf(target, sizeof target, "%s/target", path);
        snprintf(name, sizeof name, "%s/%lld", path, made);
        int failed = 1;
        if (!strcmp(what, "files")) {
            int fd = open(name, O_CREAT | O_WRONLY, 0666);
            failed = fd < 0;
            if (!failed) close(fd);
        } else if (!strcmp(what, "folders")) failed = mkdir(name, 0777);
        else if (!strcmp(what, "links")) failed = link(target, name);
        else if (!strcmp(what, "symlinks")) failed = symlink("target", name);
        else if (!strcmp(what, "same")) {
            // The same folder over and over.
            snprintf(name, sizeof name, "%s/same", path);
            mkdir(name, 0777);
            failed = 0;
            errno = 0;
        }
        if (failed) break;
    }
    return report(made);
}
