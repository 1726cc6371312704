/* How many processes a second this machine starts when nothing but posix_spawn is in the way.
 *
 * usage: spawn_loop SECONDS IN_FLIGHT PROGRAM [ARGUMENT...]      prints the number of processes a second */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    double begun = now(), until = begun + atof(argv[1]);
    int most = atoi(argv[2]), flying = 0, ended = 0;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    while (now() < until) {
        pid_t pid;
        while (flying < most) {
            if (posix_spawn(&pid, argv[3], &actions, NULL, argv + 3, environ)) return 1;
            flying++;
        }
        if (wait(NULL) < 0) return 1;
        flying--, ended++;
        while (waitpid(-1, NULL, WNOHANG) > 0) flying--, ended++;
    }
    printf("%.1f\n", ended / (now() - begun));
    while (wait(NULL) > 0);
    return 0;
}
