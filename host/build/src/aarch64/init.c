// SPDX-License-Identifier: MIT OR Apache-2.0
// The first program of a Linux in QEMU: runs the lines of /script, one after the other, and says how each has ended.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

static void run(char *line) {
  char *words[32];
  int count = 0;
  for (char *word = strtok(line, " "); word && count < 31; word = strtok(NULL, " "))
    words[count++] = word;
  words[count] = NULL;
  pid_t child = fork();
  if (child == 0) {
    dup2(STDOUT_FILENO, STDERR_FILENO);
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    execv(words[0], words);
    perror(words[0]);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  printf("\n= %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  fflush(stdout);
}

int main(void) {
  setenv("NO_COLOR", "1", 1);
  mount("proc", "/proc", "proc", 0, NULL);
  mount("sysfs", "/sys", "sysfs", 0, NULL);
  FILE *script = fopen("/script", "r");
  char line[1024];
  while (script && fgets(line, sizeof line, script)) {
    line[strcspn(line, "\n")] = '\0';
    printf("\n> %s\n", line);
    fflush(stdout);
    run(line);
  }
  reboot(RB_POWER_OFF);
  return 1;
}
