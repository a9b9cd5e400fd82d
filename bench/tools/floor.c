// What the system takes of a server that sends a stream: 16 KiB frames with their heads, written to a loopback socket by
// vectored writes from memory that is there, so that nothing is left of the server but the system. The reader takes 64 KiB
// at a time on the other CPU.
//
//     cc -O2 bench/tools/floor.c -o floor && ./floor
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FRAME = 16384, HEAD = 9, READ = 65536, MOST = 16 };
static const long TOTAL = 1L << 30;
static char payload[MOST][FRAME], head[HEAD], buffer[READ];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) die("two CPUs are needed");
}

static double cpu_micros(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

// Writes all of these frames, however often the socket takes a part only.
static void write_frames(int socket, int frames) {
    struct iovec pieces[2 * MOST];
    for (int i = 0; i < frames; i++) {
        pieces[2 * i] = (struct iovec){head, HEAD};
        pieces[2 * i + 1] = (struct iovec){payload[i], FRAME};
    }
    for (int first = 0; first < 2 * frames;) {
        ssize_t written = writev(socket, pieces + first, 2 * frames - first);
        if (written <= 0) die("writev");
        for (; first < 2 * frames && written >= (ssize_t)pieces[first].iov_len; first++) written -= pieces[first].iov_len;
        if (written > 0) {
            pieces[first].iov_base = (char *)pieces[first].iov_base + written;
            pieces[first].iov_len -= written;
        }
    }
}

static void measure(int frames) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (bind(listener, (void *)&address, len) || listen(listener, 1)) die("listen");
    getsockname(listener, (void *)&address, &len);
    if (fork() == 0) {
        pin(1);
        int reader = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(reader, (void *)&address, len)) die("connect");
        while (read(reader, buffer, READ) > 0) {}
        _exit(0);
    }
    pin(0);
    int writer = accept(listener, NULL, NULL);
    setsockopt(writer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    double before = cpu_micros();
    for (long sent = 0; sent < TOTAL; sent += (long)frames * FRAME) write_frames(writer, frames);
    double micros = (cpu_micros() - before) / (TOTAL / FRAME);
    printf("%2d frames a write: %5.2f us of CPU for 16 KiB, %4.0f us for 1 MiB\n", frames, micros, micros * 64);
    close(writer);
    close(listener);
    wait(NULL);
}

int main(void) {
    memset(payload, 7, sizeof payload);
    for (int frames = 1; frames <= MOST; frames *= 2) measure(frames);
}
