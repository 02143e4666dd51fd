/* A job that writes when it began and when it ended: `stamp FILE [MILLISECONDS]` appends "begin end\n" to FILE.
   Both are CLOCK_MONOTONIC in nanoseconds, which every process of the machine shares. The first instruction of main
   takes the time, so that only exec itself lies before it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
    long long begin = now();
    char line[64];
    int file;
    if (argc < 2 || (file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
        return 2;
    if (argc > 2)
        usleep(atoi(argv[2]) * 1000);
    int length = snprintf(line, sizeof line, "%lld %lld\n", begin, now());
    return write(file, line, length) != length;
}
