/* Runs commands in turn and prints what each run took, as lines of
 *
 *     case,round,wall_ns,cpu_us,peak_kib,status
 *
 * usage: measure ROUNDS < PLAN
 *
 * A plan is a list of cases, each a line of tab-separated fields: name, what standard output is ("null", "pipe" for
 * a pipe that this process empties, or a path), the command to be run untimed before each round or "-", then the
 * words of the command. `@` in a word stands for a number that never comes twice. Untimed commands are given to sh.
 *
 * All cases of a round come before the next round, each round beginning one case later, so that whatever happens to
 * the machine happens to all of them. The process is small and static: a child's peak memory, as the system counts
 * it, begins with that of the process that started it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CASES = 64, MOST_WORDS = 256 };

struct test {
    char *name, *output, *before;
    char *words[MOST_WORDS + 1];
};

static struct test cases[MOST_CASES];
static int case_count;
extern char **environ;

static void fail(const char *what) {
    fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void read_plan(void) {
    char *line = NULL;
    size_t room = 0;
    for (ssize_t length; (length = getline(&line, &room, stdin)) > 0;) {
        if (line[length - 1] == '\n')
            line[length - 1] = 0;
        if (case_count == MOST_CASES)
            errno = E2BIG, fail("plan");
        struct test *test = &cases[case_count++];
        char *rest = strdup(line);
        test->name = strsep(&rest, "\t");
        test->output = strsep(&rest, "\t");
        test->before = strsep(&rest, "\t");
        int count = 0;
        for (char *word; (word = strsep(&rest, "\t"));) {
            if (count == MOST_WORDS)
                errno = E2BIG, fail(test->name);
            test->words[count++] = word;
        }
        if (count == 0)
            errno = EINVAL, fail(test->name);
    }
    free(line);
}

static char *with_number(const char *word, long number) {
    const char *place = strchr(word, '@');
    char *made = NULL;
    if (!place)
        return strdup(word);
    if (asprintf(&made, "%.*s%ld%s", (int)(place - word), word, number, place + 1) < 0)
        fail("memory");
    return made;
}

static long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void prepare(const char *line) {
    char *words[] = {"sh", "-c", (char *)line, NULL};
    pid_t child;
    int status;
    if (strcmp(line, "-") == 0)
        return;
    if ((errno = posix_spawnp(&child, "sh", NULL, NULL, words, environ)) || waitpid(child, &status, 0) < 0)
        fail(line);
    if (status != 0)
        errno = ECHILD, fail(line);
}

static void run(const struct test *test, int round, long number) {
    static char emptied[1 << 18];
    char *words[MOST_WORDS + 1] = {0};
    for (int i = 0; test->words[i]; i++)
        words[i] = with_number(test->words[i], number);
    prepare(test->before);

    int ends[2] = {-1, -1};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (strcmp(test->output, "pipe") == 0) {
        if (pipe2(ends, O_CLOEXEC) < 0)
            fail("pipe");
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    } else {
        const char *path = strcmp(test->output, "null") == 0 ? "/dev/null" : test->output;
        posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    }

    pid_t child;
    int status;
    struct rusage used;
    long started = nanoseconds();
    if ((errno = posix_spawnp(&child, words[0], &actions, NULL, words, environ)))
        fail(words[0]);
    if (ends[1] >= 0) {
        close(ends[1]);
        while (read(ends[0], emptied, sizeof emptied) > 0)
            ;
        close(ends[0]);
    }
    if (wait4(child, &status, 0, &used) < 0)
        fail("wait4");
    long took = nanoseconds() - started;

    long cpu = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
    printf("%s,%d,%ld,%ld,%ld,%d\n", test->name, round, took, cpu, used.ru_maxrss, status);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; words[i]; i++)
        free(words[i]);
}

int main(int count, char **words) {
    int rounds = count == 2 ? atoi(words[1]) : 0;
    long number = nanoseconds() / 1000;
    if (rounds < 1) {
        fprintf(stderr, "usage: measure ROUNDS < PLAN\n");
        return 2;
    }
    read_plan();
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < case_count; i++)
            run(&cases[(i + round) % case_count], round, number++);
    return 0;
}
