/* A libnvidia-ml.so.1 for tests and figures: answers from the text file named by STUDIO_NVML_STATE, read anew when it changed.

   A line is `key value`. Keys: `init`, `driver`, `count`, and for GPU N `N.name`, `N.uuid`, `N.total`, `N.used`,
   `N.busy`, `N.temperature`, `N.power`, `N.limit`, `N.fan`, `N.sm`, `N.sm_max`, `N.memory_clock`, `N.reasons`, `N.tx`, `N.rx`
   (KB/s), `N.generation`, `N.width`, `N.mig`, `N.processes` (`pid:bytes pid:bytes`), `N.handle`, `N.error`. The MIG device I of
   GPU N is the GPU 1000 * (N + 1) + I. A value `!15` is the NVML error 15, a number `~10:90` another one in each second.
   What is not written is "not supported" (3). A line `nvmlFunction sleep` makes that function hang, `nvmlFunction abort`
   makes it crash. Signatures: nvml.h of the CUDA toolkit. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, LINE = 4096, STATE = 262144, MIG = 1000 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
typedef struct { unsigned gpu, memory; } Rates;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;

static char state[STATE];

static void refresh(void) {
    static struct stat known;
    struct stat now;
    const char *path = getenv("STUDIO_NVML_STATE");
    FILE *file;
    if (!path || stat(path, &now) || (now.st_ino == known.st_ino && now.st_mtim.tv_nsec == known.st_mtim.tv_nsec &&
                                      now.st_mtim.tv_sec == known.st_mtim.tv_sec && now.st_size == known.st_size)) return;
    if (!(file = fopen(path, "r"))) return;
    state[fread(state, 1, STATE - 1, file)] = 0;
    fclose(file);
    known = now;
}

static int find(const char *key, char *value) {
    const char *line, *end;
    size_t length = strlen(key);
    refresh();
    for (line = state; *line; line = end + 1) {
        if (!(end = strchr(line, '\n'))) break;
        if (strncmp(line, key, length) || line[length] != ' ') continue;
        snprintf(value, LINE, "%.*s", (int)(end - line - length - 1), line + length + 1);
        return value[0] == '!' ? atoi(value + 1) : SUCCESS;
    }
    return NOT_SUPPORTED;
}

/* A figure, or of `~low:high` the one of this second. */
static unsigned long long figure(const char *text, char **end, unsigned seed) {
    unsigned long long low, high;
    if (*text != '~') return strtoull(text, end, 10);
    low = strtoull(text + 1, end, 10);
    high = strtoull(*end + 1, end, 10);
    return low + ((unsigned long long)time(NULL) * 2654435761u + seed * 40503u) % 1000 * (high - low) / 1000;
}

static void misbehave(const char *function) {
    char value[LINE];
    if (find(function, value)) return;
    if (!strcmp(value, "abort")) abort();
    while (!strcmp(value, "sleep")) pause();
}

static int field(const char *function, void *device, const char *name, char *value) {
    char key[64];
    int code;
    misbehave(function);
    snprintf(key, sizeof key, "%zu.error", (size_t)device - 1);
    if (!find(key, value)) return atoi(value);
    snprintf(key, sizeof key, "%zu.%s", (size_t)device - 1, name);
    code = find(key, value);
    return code;
}

static int number(const char *function, void *device, const char *name, unsigned *out) {
    char value[LINE];
    char *end;
    int code = field(function, device, name, value);
    if (!code) *out = (unsigned)figure(value, &end, (unsigned)(size_t)device);
    return code;
}

static int text(const char *function, void *device, const char *name, char *out, unsigned length) {
    char value[LINE];
    int code = field(function, device, name, value);
    if (!code) snprintf(out, length, "%s", value);
    return code;
}

int nvmlInitWithFlags(unsigned flags) {
    char value[LINE];
    int code;
    (void)flags;
    misbehave(__func__);
    code = find("init", value);
    return code == NOT_SUPPORTED ? SUCCESS : code;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(int code) {
    static char said[32];
    snprintf(said, sizeof said, "error %d", code);
    return said;
}

int nvmlSystemGetDriverVersion(char *out, unsigned length) {
    char value[LINE];
    int code = find("driver", value);
    if (!code) snprintf(out, length, "%s", value);
    return code;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    char value[LINE];
    int code;
    misbehave(__func__);
    code = find("count", value);
    if (!code) *count = (unsigned)atoi(value);
    return code;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    char key[64], value[LINE];
    int code;
    snprintf(key, sizeof key, "%u.handle", index);
    code = find(key, value);
    if (code && code != NOT_SUPPORTED) return code;
    *device = (void *)((size_t)index + 1);
    return SUCCESS;
}

int nvmlDeviceGetName(void *device, char *out, unsigned length) { return text(__func__, device, "name", out, length); }

int nvmlDeviceGetUUID(void *device, char *out, unsigned length) { return text(__func__, device, "uuid", out, length); }

int nvmlDeviceGetMemoryInfo(void *device, Memory *memory) {
    char value[LINE], *end;
    int code = field(__func__, device, "total", value);
    if (code) return code;
    memory->total = strtoull(value, NULL, 10);
    code = field(__func__, device, "used", value);
    memory->used = code ? 0 : figure(value, &end, (unsigned)(size_t)device);
    memory->free = memory->total - memory->used;
    return code;
}

int nvmlDeviceGetMemoryInfo_v2(void *device, Memory2 *memory) {
    Memory plain;
    int code = nvmlDeviceGetMemoryInfo(device, &plain);
    if (code) return code;
    memory->total = plain.total, memory->used = plain.used, memory->free = plain.free, memory->reserved = 0;
    return code;
}

int nvmlDeviceGetUtilizationRates(void *device, Rates *rates) {
    rates->memory = 0;
    return number(__func__, device, "busy", &rates->gpu);
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *degrees) {
    (void)sensor;
    return number(__func__, device, "temperature", degrees);
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) { return number(__func__, device, "power", milliwatts); }

int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *milliwatts) {
    return number(__func__, device, "limit", milliwatts);
}

int nvmlDeviceGetFanSpeed(void *device, unsigned *percent) { return number(__func__, device, "fan", percent); }

int nvmlDeviceGetClockInfo(void *device, int type, unsigned *mhz) {
    return number(__func__, device, type == 2 ? "memory_clock" : "sm", mhz);
}

int nvmlDeviceGetMaxClockInfo(void *device, int type, unsigned *mhz) {
    return number(__func__, device, type == 2 ? "memory_clock_max" : "sm_max", mhz);
}

int nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *reasons) {
    unsigned found = 0;
    int code = number(__func__, device, "reasons", &found);
    *reasons = found;
    return code;
}

int nvmlDeviceGetPcieThroughput(void *device, int counter, unsigned *kilobytes) {
    return number(__func__, device, counter ? "rx" : "tx", kilobytes);
}

int nvmlDeviceGetCurrPcieLinkGeneration(void *device, unsigned *out) { return number(__func__, device, "generation", out); }

int nvmlDeviceGetCurrPcieLinkWidth(void *device, unsigned *out) { return number(__func__, device, "width", out); }

int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending) {
    int code = number(__func__, device, "mig", current);
    *pending = *current;
    return code;
}

int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *count) {
    (void)device;
    *count = 7;
    return SUCCESS;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned index, void **slice) {
    char key[64], value[LINE];
    snprintf(key, sizeof key, "%zu.uuid", (size_t)device * MIG + index);
    if (find(key, value)) return NOT_FOUND;
    *slice = (void *)((size_t)device * MIG + index + 1);
    return SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, Process *processes) {
    char value[LINE], *rest, *word;
    unsigned room = *count, found = 0;
    int code = field(__func__, device, "processes", value);
    if (code) return code;
    for (word = strtok_r(value, " ", &rest); word; word = strtok_r(NULL, " ", &rest), found++)
        if (processes && found < room) {
            memset(&processes[found], 0, sizeof *processes);
            processes[found].pid = (unsigned)strtoul(word, &word, 10);
            /* Without a number the memory is "not available", all bits set. */
            processes[found].used = *word == ':' ? figure(word + 1, &word, processes[found].pid) : ~0ULL;
        }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}
