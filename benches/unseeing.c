/* Watches a command as cashet does and does nothing with what it sees: every call that cashet's filter hands over is
 * received and let go on. What this costs beyond the bare command is the mechanism itself; no watcher by seccomp's
 * user notification can cost less.
 *
 * usage: unseeing COMMAND [WORD…]; with COUNT=1 in the environment the number of calls is told at the end. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

/* The calls that name a path, and the rest that is always seen (src/exec/watch/table.rs). */
static const int seen[] = {
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_rename, SYS_unlink, SYS_rmdir, SYS_mkdir,
    SYS_link, SYS_symlink, SYS_mknod, SYS_chmod, SYS_chown, SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat,
#endif
    SYS_openat, 437, 428, SYS_open_by_handle_at, SYS_faccessat, 439, SYS_readlinkat, SYS_statfs, SYS_getxattr,
    SYS_lgetxattr, SYS_listxattr, SYS_llistxattr, SYS_name_to_handle_at, SYS_inotify_add_watch, SYS_chdir, SYS_execve,
    SYS_execveat, SYS_renameat, SYS_renameat2, SYS_unlinkat, SYS_mkdirat, SYS_linkat, SYS_symlinkat, SYS_mknodat,
    SYS_truncate, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_utimensat, SYS_setxattr, SYS_lsetxattr,
    SYS_fsetxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr, SYS_connect, SYS_bind, SYS_sendmsg,
    SYS_sendmmsg, 435,
};
enum { SEEN = sizeof seen / sizeof *seen };

static long calls;
static int listener = -1;
static char **words;
static pid_t child;
extern char **environ;

static void fail(const char *what) {
    fprintf(stderr, "unseeing: %s: %s\n", what, strerror(errno));
    exit(125);
}

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static struct sock_filter code[6 * SEEN + 32];
static int length;

static int put(unsigned short what, unsigned char jt, unsigned char jf, unsigned k) {
    code[length] = (struct sock_filter){what, jt, jf, k};
    return length++;
}

/* A balanced tree of comparisons, as cashet's. */
static void tree(const int *numbers, int count) {
    if (count == 1) {
        put(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, numbers[0]);
        put(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF);
        put(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
        return;
    }
    put(BPF_JMP | BPF_JGE | BPF_K, 0, 1, numbers[count / 2]);
    int over = put(BPF_JMP | BPF_JA, 0, 0, 0);
    tree(numbers, count / 2);
    code[over].k = length - over - 1;
    tree(numbers + count / 2, count - count / 2);
}

static void unless_empty(int number, int flags) {
    put(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, number);
    put(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args) + 8 * flags);
    put(BPF_JMP | BPF_JSET | BPF_K, 1, 0, AT_EMPTY_PATH);
    put(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF);
    put(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

/* Asking for the size of a terminal. */
static void if_request(int number, unsigned request) {
    put(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, number);
    put(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args) + 8);
    put(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, request);
    put(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF);
    put(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

static void *start(void *nothing) {
    static int numbers[SEEN];
    memcpy(numbers, seen, sizeof seen);
    qsort(numbers, SEEN, sizeof *numbers, compare);
    put(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    unless_empty(SYS_newfstatat, 3);
    unless_empty(SYS_statx, 2);
    if_request(SYS_ioctl, TIOCGWINSZ);
    tree(numbers, SEEN);
    struct sock_fprog program = {length, code};
    unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int made = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
    if (made < 0)
        made = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (made < 0)
        fail("seccomp");
    __atomic_store_n(&listener, made, __ATOMIC_RELEASE);
    if ((errno = posix_spawnp(&child, words[0], NULL, NULL, words, environ)))
        fail(words[0]);
    return NULL;
}

int main(int count, char **all) {
    pthread_t thread;
    if (count < 2)
        return 2;
    words = all + 1;
    fcntl(0, F_SETFD, 0);
    if (pthread_create(&thread, NULL, start, NULL))
        fail("thread");
    while (__atomic_load_n(&listener, __ATOMIC_ACQUIRE) < 0)
        usleep(20);
    fcntl(listener, F_SETFD, FD_CLOEXEC);
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 1UL);
    for (;;) {
        struct pollfd asked = {listener, POLLIN, 0};
        if (!getenv("NOPOLL")) {
            poll(&asked, 1, -1);
            if (!(asked.revents & POLLIN))
                break;
        }
        struct seccomp_notif call = {0};
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) {
            if (errno == ENOENT && getenv("NOPOLL"))
                break;
            continue;
        }
        struct seccomp_notif_resp answer = {call.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        calls++;
    }
    pthread_join(thread, NULL);
    int status;
    waitpid(child, &status, 0);
    if (getenv("COUNT"))
        fprintf(stderr, "unseeing: %ld calls\n", calls);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
