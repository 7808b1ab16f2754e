/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - feeds every file of a corpus to a fuzz target once, without a fuzzer.
 * Linked with each target by the Makefile; `make check` runs it under ASan and UBSan.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(const char *path)
{
	struct stat st;
	uint8_t *data;
	FILE *f = fopen(path, "re");

	if (!f || fstat(fileno(f), &st)) {
		perror(path);
		exit(1);
	}
	if (!S_ISREG(st.st_mode)) {
		(void)fclose(f);
		return 0;
	}
	/* Exactly as long as the input, so that ASan sees a read behind its end. */
	data = malloc((size_t)st.st_size ? (size_t)st.st_size : 1);
	if (!data || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		perror(path);
		exit(1);
	}
	(void)fclose(f);
	(void)LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
	return 1;
}

int main(int argc, char **argv)
{
	int fed = 0;

	for (int i = 1; i < argc; i++) {
		struct dirent **list;
		int n = scandir(argv[i], &list, NULL, alphasort);

		if (n < 0) {
			perror(argv[i]);
			return 1;
		}
		for (int j = 0; j < n; j++) {
			char path[4096];

			(void)snprintf(path, sizeof(path), "%s/%s", argv[i], list[j]->d_name);
			fed += feed(path);
			free(list[j]);
		}
		free(list);
	}
	printf("%d inputs\n", fed);
	return fed ? 0 : 1;
}
