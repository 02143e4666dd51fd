/* A stand-in for the driver's library, as much of it as nvidia-ml-py, gpustat and the agent ask for.

   The file named by FAKE_NVML is read anew on every call, so a test changes the machine while it is looked at:

       ERROR                   on the first line: every call returns this number (0: none); "hang": no call returns
       name uuid totalMiB usedMiB utilization compute graphics mig error lost      a line per device, tabs between

   Processes are pid:MiB,pid:MiB (or "-"); utilization -1 is "not supported". `error` is what every question about the
   device returns, `lost` what the device itself does. No file: the driver is not loaded. A call of nvmlInit adds a byte
   to FAKE_NVML.inits. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, NO_DRIVER = 9, MAX = 64 };
#define MB (1ull << 20)

typedef unsigned int u32;
typedef unsigned long long u64;
typedef struct { char name[96], uuid[96], compute[2048], graphics[2048]; u64 total, used; int util, mig, error, lost; } Gpu;
typedef struct { u64 total, free, used; } Memory;
typedef struct { u32 version; u64 total, reserved, free, used; } Memory2;
typedef struct { u32 pid; u64 used; u32 gi, ci; } Process;

static int ready;

/* The devices in the file: how many, or the error of the whole driver, negative. */
static int load(Gpu *gpus) {
    char line[8192];
    for (;;) {
        const char *path = getenv("FAKE_NVML");
        FILE *file = path ? fopen(path, "r") : NULL;
        if (!file) return -NO_DRIVER;
        int count = 0, failing = fgets(line, sizeof line, file) ? atoi(line) : NO_DRIVER;
        int hangs = !strncmp(line, "hang", 4);
        while (count < MAX && fgets(line, sizeof line, file)) {
            Gpu *g = gpus + count;
            count += sscanf(line, "%95[^\t]\t%95s %llu %llu %d %2047s %2047s %d %d %d", g->name, g->uuid, &g->total,
                            &g->used, &g->util, g->compute, g->graphics, &g->mig, &g->error, &g->lost) == 10;
        }
        fclose(file);
        if (!hangs) return failing ? -failing : count;
        usleep(5000);
    }
}

static int whole(Gpu *gpus) { return ready ? load(gpus) : -UNINITIALIZED; }

/* A handle is the device's place in the file, plus one. */
static int get(void *handle, Gpu *gpu) {
    Gpu gpus[MAX];
    int count = whole(gpus), index = (int)(long)handle - 1;
    if (count < 0) return -count;
    if (index < 0 || index >= count) return INVALID;
    *gpu = gpus[index];
    return gpu->lost ? gpu->lost : gpu->error;
}

int nvmlInitWithFlags(u32 flags) {
    Gpu gpus[MAX];
    char path[4096];
    int count = load(gpus);
    if (getenv("FAKE_NVML")) {
        snprintf(path, sizeof path, "%s.inits", getenv("FAKE_NVML"));
        FILE *file = fopen(path, "a");
        if (file) { fputc('i', file); fclose(file); }
    }
    if (count < 0) return -count;
    ready++;
    return OK;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return ready ? (ready--, OK) : UNINITIALIZED; }
const char *nvmlErrorString(int error) { return error == 999 ? "Unknown Error" : "An error of the fake library"; }

int nvmlSystemGetDriverVersion(char *out, u32 size) { snprintf(out, size, "550.00"); return OK; }
int nvmlSystemGetCudaDriverVersion(int *out) { *out = 12040; return OK; }
int nvmlSystemGetCudaDriverVersion_v2(int *out) { *out = 12040; return OK; }

int nvmlDeviceGetCount_v2(u32 *out) {
    Gpu gpus[MAX];
    int count = whole(gpus);
    return count < 0 ? -count : (*out = count, OK);
}
int nvmlDeviceGetHandleByIndex_v2(u32 index, void **out) {
    Gpu gpus[MAX];
    int count = whole(gpus);
    if (count < 0 || index >= (u32)count) return count < 0 ? -count : INVALID;
    *out = (void *)(long)(index + 1);
    return gpus[index].lost;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **out) {
    Gpu gpus[MAX];
    int count = whole(gpus);
    for (int i = 0; i < count; i++)
        if (!strcmp(gpus[i].uuid, uuid)) return *out = (void *)(long)(i + 1), gpus[i].lost;
    return count < 0 ? -count : NOT_FOUND;
}

#define ASK Gpu g; int error = get(device, &g); if (error) return error
int nvmlDeviceGetIndex(void *device, u32 *out) { ASK; *out = (u32)(long)device - 1; return OK; }
int nvmlDeviceGetName(void *device, char *out, u32 size) { ASK; snprintf(out, size, "%s", g.name); return OK; }
int nvmlDeviceGetUUID(void *device, char *out, u32 size) {
    Gpu g;
    int error = get(device, &g);
    if (error && (g.lost || error != g.error)) return error; /* a device with an error still has a name */
    snprintf(out, size, "%s", g.uuid);
    return OK;
}
int nvmlDeviceGetMemoryInfo(void *device, Memory *out) {
    ASK; /* the first call counts what the driver keeps for itself as used */
    *out = (Memory){g.total * MB, (g.total - g.used) * MB, (g.used + 600) * MB};
    return OK;
}
int nvmlDeviceGetMemoryInfo_v2(void *device, Memory2 *out) {
    ASK;
    *out = (Memory2){out->version, g.total * MB, 600 * MB, (g.total - g.used) * MB, g.used * MB};
    return OK;
}
int nvmlDeviceGetUtilizationRates(void *device, u32 *out) {
    ASK;
    out[0] = out[1] = g.util;
    return g.util < 0 ? NOT_SUPPORTED : OK;
}
int nvmlDeviceGetTemperature(void *device, int sensor, u32 *out) { ASK; *out = 40; return OK; }
int nvmlDeviceGetMigMode(void *device, u32 *now, u32 *later) {
    ASK; /* -1: a model that knows no such mode */
    *now = *later = g.mig;
    return g.mig < 0 ? NOT_SUPPORTED : OK;
}

static int running(const char *list, u32 *room, Process *out) {
    u32 count = 0, given = *room;
    for (const char *at = list; at && *at && *at != '-'; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        u32 pid;
        u64 used;
        if (sscanf(at, "%u:%llu", &pid, &used) == 2 && count++ < given && out)
            out[count - 1] = (Process){pid, used * MB, ~0u, ~0u};
    }
    *room = count;
    return count > given ? TOO_SMALL : OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, u32 *n, Process *out) { void *device = d; ASK; return running(g.compute, n, out); }
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *d, u32 *n, Process *out) { void *device = d; ASK; return running(g.graphics, n, out); }
