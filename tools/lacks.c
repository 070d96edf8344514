// SPDX-License-Identifier: MIT
/*
 * Explains why no device exists. Checks the module, the nodes, and the
 * configuration of the kernel, from /proc/config.gz or from the places of
 * distributions.
 */
#include <dirent.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>

#include "ferryctl.h"

static const char *const needed[] = {
	"CONFIG_DEVICE_PRIVATE",
	"CONFIG_ZONE_DEVICE",
	"CONFIG_MIGRATION",
	"CONFIG_HMM_MIRROR",
	"CONFIG_DRM",
};

/* The module builds against this series only (vm/module). */
#define SERIES "6.12."

#define NNEEDED (sizeof(needed) / sizeof(*needed))

static struct absence {
	bool explained;
	struct utsname kernel;
	bool series;	/* the module builds against the kernel's series */
	bool module;
	unsigned int devices;	/* with or without nodes */
	bool config_known;
	bool lacks[NNEEDED];
	unsigned int nlacks;
	const char *advice;
} found;

static gzFile open_config(const char *release)
{
	static const char *const places[] = {
		"/boot/config-", "",
		"/lib/modules/", "/config",
		"/lib/modules/", "/build/.config",
	};
	gzFile file = gzopen("/proc/config.gz", "re");
	char path[256];
	size_t i;

	for (i = 0; !file && i < sizeof(places) / sizeof(*places); i += 2) {
		snprintf(path, sizeof(path), "%s%s%s", places[i], release, places[i + 1]);
		file = gzopen(path, "re");
	}
	return file;
}

static bool sets(const char *line, const char *symbol)
{
	size_t n = strlen(symbol);

	return !strncmp(line, symbol, n) && (!strncmp(line + n, "=y", 2) ||
					     !strncmp(line + n, "=m", 2));
}

static void read_config(struct absence *absence)
{
	gzFile config = open_config(absence->kernel.release);
	char line[256];
	size_t i;

	if (!config)
		return;
	absence->config_known = true;
	memset(absence->lacks, true, sizeof(absence->lacks));
	while (gzgets(config, line, sizeof(line)))
		for (i = 0; i < NNEEDED; i++)
			if (sets(line, needed[i]))
				absence->lacks[i] = false;
	gzclose(config);
	for (i = 0; i < NNEEDED; i++)
		absence->nlacks += absence->lacks[i];
}

static unsigned int count_devices(void)
{
	DIR *dir = opendir("/sys/bus/platform/devices");
	struct dirent *entry;
	unsigned int n = 0, number;

	while (dir && (entry = readdir(dir)))
		n += sscanf(entry->d_name, "ferry%u", &number) == 1;
	if (dir)
		closedir(dir);
	return n;
}

static const char *advise(const struct absence *absence)
{
	if (absence->devices)
		return "a container has nodes only if it was given them";
	if (absence->module)
		return "load it with devices= or, on a kernel without CONFIG_DEVICE_PRIVATE, "
		       "with coherent=";
	if (absence->nlacks || !absence->config_known || !absence->series)
		return "'make run' starts a kernel that has all that is needed";
	return "this kernel has what is needed: build with 'make module KERNELDIR=...' and "
	       "load it with insmod";
}

static void look(struct absence *absence)
{
	absence->explained = true;
	uname(&absence->kernel);
	absence->series = !strncmp(absence->kernel.release, SERIES, sizeof(SERIES) - 1);
	absence->module = !access("/sys/module/ferry", F_OK);
	absence->devices = count_devices();
	read_config(absence);
	absence->advice = advise(absence);
}

int explain_no_device(void)
{
	const char *release = found.kernel.release;
	size_t i;

	look(&found);
	if (found.devices)
		failed("no Ferry device: the kernel (%s) has %u, but /dev/dri has no node of them",
		       release, found.devices);
	else if (found.module)
		failed("no Ferry device: the module ferry is loaded without any (kernel %s)",
		       release);
	else
		failed("no Ferry device: the module ferry is not loaded (kernel %s)", release);
	if (!found.module && !found.series)
		failed("the module is for kernels " SERIES "*, this one is %s", release);
	for (i = 0; i < NNEEDED; i++)
		if (found.lacks[i])
			failed("this kernel (%s) lacks %s", release, needed[i]);
	if (!found.config_known)
		failed("what this kernel (%s) was built with is not known: no /proc/config.gz, "
		       "nothing in /boot or /lib/modules", release);
	return failed("%s", found.advice);
}

void explain_json(struct json *json)
{
	size_t i;

	uname(&found.kernel);
	json_text(json, "kernel", found.kernel.release);
	if (!found.explained)
		return;
	json_bool(json, "kernel-suits", found.series);
	json_bool(json, "module-loaded", found.module);
	json_number(json, "kernel-devices", found.devices);
	json_bool(json, "config-known", found.config_known);
	json_open(json, "lacks", '[');
	for (i = 0; i < NNEEDED; i++)
		if (found.lacks[i])
			json_text(json, NULL, needed[i]);
	json_close(json);
	json_text(json, "advice", found.advice);
}
