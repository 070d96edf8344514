// SPDX-License-Identifier: MIT
/*
 * Why there is no device: the module, then what the kernel was built with, from
 * /proc/config.gz or /boot/config-RELEASE.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "ferryctl.h"

static const char *const needed[] = {
	"CONFIG_DEVICE_PRIVATE",
	"CONFIG_ZONE_DEVICE",
	"CONFIG_MIGRATION",
	"CONFIG_HMM_MIRROR",
	"CONFIG_DRM",
};

#define NNEEDED (sizeof(needed) / sizeof(*needed))

static bool module_loaded(void)
{
	DIR *dir = opendir("/sys/module/ferry");

	if (dir)
		closedir(dir);
	return dir;
}

static gzFile open_config(const char *release)
{
	char path[sizeof("/boot/config-") + sizeof(((struct utsname *)0)->release)];
	gzFile file = gzopen("/proc/config.gz", "re");

	if (file)
		return file;
	snprintf(path, sizeof(path), "/boot/config-%s", release);
	return gzopen(path, "re");
}

/* Returns how many are missing, -1 when the configuration is not to be had. */
static int report_missing(const char *release)
{
	bool found[NNEEDED] = { false };
	gzFile config = open_config(release);
	int missing = 0;
	char line[256];
	size_t i;

	if (!config)
		return -1;
	while (gzgets(config, line, sizeof(line)))
		for (i = 0; i < NNEEDED; i++)
			if (!strncmp(line, needed[i], strlen(needed[i])) &&
			    (!strncmp(line + strlen(needed[i]), "=y", 2) ||
			     !strncmp(line + strlen(needed[i]), "=m", 2)))
				found[i] = true;
	gzclose(config);
	for (i = 0; i < NNEEDED; i++)
		if (!found[i]) {
			missing++;
			failed("this kernel (%s) lacks %s", release, needed[i]);
		}
	return missing;
}

int explain_no_device(void)
{
	struct utsname name;

	uname(&name);
	if (module_loaded())
		return failed("the module ferry is loaded, but no device of it can be opened: "
			      "is /dev/dri/renderD* readable and writable for you?");
	failed("no Ferry device: the module ferry is not loaded");
	switch (report_missing(name.release)) {
	case -1:
		return failed("what this kernel (%s) was built with is neither in /proc/config.gz "
			      "nor in /boot; 'make run' starts one that has all that is needed",
			      name.release);
	case 0:
		return failed("this kernel has what is needed: build with 'make module "
			      "KERNELDIR=...' and load it with insmod");
	default:
		return failed("'make run' starts a kernel that has all that is needed");
	}
}
