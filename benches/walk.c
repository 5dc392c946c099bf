/* Looks at each path of a list with `statx`, as a hit looks at what a run depended on, and prints a file. Built static, like the
 * floor. The list has a path in each line. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char paths[1 << 22], answer[1 << 12];

static ssize_t whole(const char *path, char *into, size_t room) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t all = 0, got;
    while (file >= 0 && (got = read(file, into + all, room - (size_t)all)) > 0)
        all += got;
    return file < 0 ? -1 : all;
}

int main(int count, char **words) {
    if (count != 3)
        return 2;
    ssize_t length = whole(words[1], paths, sizeof paths - 1);
    if (length < 0)
        return 2;
    for (char *path = paths, *end; path < paths + length && (end = strchr(path, '\n')); path = end + 1) {
        struct statx found;
        *end = 0;
        statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &found);
    }
    length = whole(words[2], answer, sizeof answer);
    return length < 0 || write(1, answer, (size_t)length) != length;
}
