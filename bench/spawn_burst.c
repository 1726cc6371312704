/* How late the last of a burst of processes begins when nothing but posix_spawn is in the way, in a session for each.
 *
 * usage: spawn_burst COUNT IN_FLIGHT PROGRAM [ARGUMENT...]      prints the instant at which it began, seconds since 1970 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int most = atoi(argv[2]), flying = 0;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    for (int left = atoi(argv[1]); left > 0; left--) {
        pid_t pid;
        if (flying == most) wait(NULL), flying--;
        while (waitpid(-1, NULL, WNOHANG) > 0) flying--;
        if (posix_spawn(&pid, argv[3], &actions, &attributes, argv + 3, environ)) return 1;
        flying++;
    }
    while (wait(NULL) > 0);
    printf("%lld.%09ld\n", (long long)at.tv_sec, at.tv_nsec);
    return 0;
}
