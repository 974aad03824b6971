/* A libnvidia-ml.so.1 for tests: answers from the text file named by STUDIO_NVML_STATE, read anew at each call.

   A line is `key value`. Keys: `init`, `driver`, `count`, and for GPU N `N.name`, `N.uuid`, `N.total`, `N.used`,
   `N.busy`, `N.temperature`, `N.power`, `N.limit`, `N.processes` (`pid:bytes pid:bytes`), `N.handle`, `N.error`.
   A value `!15` is the NVML error 15. What is not written is "not supported" (3). A line `nvmlFunction sleep` makes that
   function hang, `nvmlFunction abort` makes it crash. Signatures: nvml.h of the CUDA toolkit. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, LINE = 4096 };

typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Rates;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;

static int find(const char *key, char *value) {
    const char *path = getenv("STUDIO_NVML_STATE");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[LINE];
    size_t length = strlen(key);
    int code = NOT_SUPPORTED;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, length) || line[length] != ' ') continue;
        line[strcspn(line, "\n")] = 0;
        strcpy(value, line + length + 1);
        code = value[0] == '!' ? atoi(value + 1) : SUCCESS;
        break;
    }
    if (file) fclose(file);
    return code;
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
    int code = field(function, device, name, value);
    if (!code) *out = (unsigned)strtoul(value, NULL, 10);
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
    char value[LINE];
    int code = field(__func__, device, "total", value);
    if (code) return code;
    memory->total = strtoull(value, NULL, 10);
    code = field(__func__, device, "used", value);
    memory->used = code ? 0 : strtoull(value, NULL, 10);
    memory->free = memory->total - memory->used;
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
            processes[found].used = *word == ':' ? strtoull(word + 1, NULL, 10) : ~0ULL;
        }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}
