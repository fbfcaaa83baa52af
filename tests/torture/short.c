/* Preloaded: every SHORT_WRITE_EVERY-th write of more than one byte writes half of it, as the system may at any time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

ssize_t write(int fd, const void *bytes, size_t count)
{
    static ssize_t (*real)(int, const void *, size_t);
    static atomic_ulong calls;
    if (!real)
        real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    const char *every = getenv("SHORT_WRITE_EVERY");
    unsigned long n = every ? strtoul(every, NULL, 10) : 0;
    if (n && count > 1 && atomic_fetch_add(&calls, 1) % n == 0)
        count /= 2;
    return real(fd, bytes, count);
}
