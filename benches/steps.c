/* Runs a command one instruction at a time and writes where each one was, once for each place, in the form of valgrind's
 * lackey. Valgrind knows fewer instructions than the processor and hides the system's page of fast calls, so that a
 * program takes other ways under it: the C library has a copy of `memcpy` for each generation.
 *
 * usage: steps FILE WORD… */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "steps.c reads the registers of x86_64"
#endif

/* A bit for each place below this address: a static program lies there. */
enum { HIGHEST = 1 << 28 };
static unsigned char seen[HIGHEST / 8];

static int fail(const char *what) {
    fprintf(stderr, "steps: %s: %s\n", what, strerror(errno));
    return 1;
}

int main(int count, char **words) {
    if (count < 3)
        return fprintf(stderr, "usage: steps FILE WORD...\n"), 2;
    FILE *out = fopen(words[1], "w");
    if (!out)
        return fail(words[1]);
    pid_t child = fork();
    if (child < 0)
        return fail("fork");
    if (child == 0) {
        fclose(out);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execv(words[2], words + 2);
        _exit(127);
    }
    int status;
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        errno = 0;
        unsigned long place =
            (unsigned long)ptrace(PTRACE_PEEKUSER, child, offsetof(struct user_regs_struct, rip), NULL);
        if (errno == 0 && place < HIGHEST && !(seen[place / 8] & 1 << place % 8)) {
            seen[place / 8] |= 1 << place % 8;
            fprintf(out, "I  %08lx,1\n", place);
        }
        long signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
        if (ptrace(PTRACE_SINGLESTEP, child, NULL, signal) != 0)
            return fail("step");
    }
    return fclose(out) != 0 || !WIFEXITED(status) ? 1 : WEXITSTATUS(status);
}
