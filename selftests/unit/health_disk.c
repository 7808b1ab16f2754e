/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health_disk.c - is what lies under "/" and under swap encrypted, in made-up trees of block devices
 * that are linked as sysfs links them. Tests agent/health/claim_disk.c and mounts.c.
 */
#include "../lib/claimrig.h"

#define MOUNTINFO "proc/self/mountinfo"
#define SWAPS	  "proc/swaps"

static void mounted(const char *dev, const char *type, const char *source)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "22 27 0:21 / /proc rw shared:5 - proc proc rw\n"
		 "27 1 %s / / rw,relatime shared:1 - %s %s rw\n"
		 "31 27 8:1 / /boot rw - ext4 /dev/sda1 rw\n",
		 dev, type, source);
	put(MOUNTINFO, text);
}

/* @parent: "" or the disk that it is a partition of; @uuid: NULL: no device mapper's */
static void block(const char *name, const char *number, const char *parent, const char *uuid)
{
	char path[256], link[256];

	snprintf(path, sizeof(path), "sys/devices/%s%s%s/dev", parent, *parent ? "/" : "", name);
	put(path, number);
	snprintf(path, sizeof(path), "sys/devices/%s%s%s/%s", parent, *parent ? "/" : "", name,
		 *parent ? "partition" : "size");
	put(path, "1\n");
	snprintf(path, sizeof(path), "sys/devices/%s%s%s/dm/uuid", parent, *parent ? "/" : "",
		 name);
	if (uuid)
		put(path, uuid);
	snprintf(link, sizeof(link), "../../devices/%s%s%s", parent, *parent ? "/" : "", name);
	snprintf(path, sizeof(path), "sys/class/block/%s", name);
	put_link(path, link);
	snprintf(path, sizeof(path), "sys/dev/block/%s", number);
	put_link(path, link);
}

static void rests_on(const char *name, const char *slave)
{
	char path[256];

	snprintf(path, sizeof(path), "sys/devices/%s/slaves/%s", name, slave);
	put_link(path, "anywhere");
}

static void test_root(_unused_ void **state)
{
	unread("root_encrypted", ENOENT);
	mounted("254:0", "ext4", "/dev/vda");
	unread("root_encrypted", ENOENT);
	block("vda", "254:0", "", NULL);
	bad("root_encrypted", "254:0 is not encrypted");
	block("dm-0", "253:0", "", "CRYPT-LUKS2-0123-root\n");
	mounted("253:0", "ext4", "/dev/mapper/root");
	good("root_encrypted", "ext4 /dev/mapper/root");
	unreadable("root_encrypted", MOUNTINFO);
	unreadable("root_encrypted", "sys/devices/dm-0/dm/uuid");
	put("sys/devices/dm-0/dm/uuid", "LVM-CRYPT-x\n");
	bad("root_encrypted", "not encrypted");
	put("sys/devices/dm-0/dm/uuid", "CRYPT-x\n");
	rig.lying = true;
	unread("root_encrypted", EXDEV);
}

/* LVM over two disks: encrypted is what has every leg encrypted. */
static void test_every_leg(_unused_ void **state)
{
	mounted("253:2", "xfs", "/dev/mapper/vg-root");
	block("sda", "8:0", "", NULL);
	block("sda2", "8:2", "sda", NULL);
	block("sdb", "8:16", "", NULL);
	block("dm-0", "253:0", "", "CRYPT-LUKS2-a\n");
	block("dm-1", "253:1", "", "CRYPT-LUKS2-b\n");
	block("dm-2", "253:2", "", "LVM-xyz\n");
	rests_on("dm-0", "sda2");
	rests_on("dm-1", "sdb");
	rests_on("dm-2", "dm-0");
	rests_on("dm-2", "dm-1");
	good("root_encrypted", "xfs /dev/mapper/vg-root");
	rests_on("dm-2", "sdb");
	bad("root_encrypted", "sdb is not encrypted");
	take_away("sys/devices/dm-2/slaves/sdb");
	good("root_encrypted", "");
	/* one that is not there, or can't be read */
	rests_on("dm-2", "dm-9");
	unread("root_encrypted", ENOENT);
	take_away("sys/devices/dm-2/slaves/dm-9");
	unreadable("root_encrypted", "sys/devices/dm-1/dm/uuid");
}

static void test_partitions(_unused_ void **state)
{
	mounted("8:2", "ext4", "/dev/sda2");
	block("sda", "8:0", "", NULL);
	block("sda2", "8:2", "sda", NULL);
	bad("root_encrypted", "8:2 is not encrypted");
	/* of a RAID: its disk has the legs */
	block("md0", "9:0", "", NULL);
	block("md0p1", "259:0", "md0", NULL);
	block("dm-0", "253:0", "", "CRYPT-LUKS2-a\n");
	rests_on("md0", "dm-0");
	mounted("259:0", "ext4", "/dev/md0p1");
	good("root_encrypted", "");
	rests_on("md0", "sda2");
	bad("root_encrypted", "sda2 is not encrypted");
}

static void test_what_cannot_be_told(_unused_ void **state)
{
	static const char *const garbage[] = {
		"27 1 254:0 / / rw - ext4\n",
		"27 1 x / / rw - ext4 /dev/vda rw\n",
		"27 1 254: / / rw - ext4 x rw\n",
		"27 1 99999999999999:1 / / rw - ext4 x rw\n",
	};

	mounted("0:35", "btrfs", "/dev/sda2");
	unknown("root_encrypted", "btrfs");
	mounted("0:99", "overlay", "overlay");
	unknown("root_encrypted", "overlay");
	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		put(MOUNTINFO, garbage[i]);
		unread("root_encrypted", EBADMSG);
	}
	put(MOUNTINFO, "27 1 254:0 / /mnt rw - ext4 /dev/vda rw\nx\n\n - - - \n");
	unread("root_encrypted", ENOENT);
	/* a ring of devices */
	mounted("253:0", "ext4", "/dev/mapper/x");
	block("dm-0", "253:0", "", "LVM-x\n");
	block("dm-1", "253:1", "", "LVM-y\n");
	rests_on("dm-0", "dm-1");
	rests_on("dm-1", "dm-0");
	unread("root_encrypted", ELOOP);
	block("loop0", "7:0", "", NULL);
	put("sys/devices/loop0/loop/backing_file", "/disk.img\n");
	mounted("7:0", "ext4", "/dev/loop0");
	unknown("root_encrypted", "can't be told");
}

/* What lies on top counts. */
static void test_two_roots(_unused_ void **state)
{
	put(MOUNTINFO, "1 1 0:2 / / rw - rootfs rootfs rw\n"
		       "27 1 253:0 / / rw - ext4 /dev/mapper/root rw\n");
	block("dm-0", "253:0", "", "CRYPT-LUKS2-a\n");
	good("root_encrypted", "ext4");
	put(MOUNTINFO, "27 1 253:0 / / rw - ext4 /dev/mapper/root rw\n"
		       "28 27 0:9 / / rw - overlay overlay rw\n");
	unknown("root_encrypted", "overlay");
}

#define HEAD "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"

static void test_swap(_unused_ void **state)
{
	unread("swap_encrypted", ENOENT);
	put(SWAPS, HEAD);
	good("swap_encrypted", "none");
	unreadable("swap_encrypted", SWAPS);
	block("sda", "8:0", "", NULL);
	block("sda3", "8:3", "sda", NULL);
	put(SWAPS, HEAD "/dev/sda3                               partition\t1048572\t0\t-2\n");
	bad("swap_encrypted", "sda3 is not encrypted");
	block("dm-1", "253:1", "", "CRYPT-PLAIN-swap\n");
	put(SWAPS, HEAD "/dev/dm-1   partition\t1048572\t0\t-2\n");
	good("swap_encrypted", "/dev/dm-1");
	block("zram0", "252:0", "", NULL);
	put(SWAPS, HEAD "/dev/dm-1 partition 1 0 -2\n/dev/zram0 partition 1 0 100\n");
	good("swap_encrypted", "/dev/dm-1 /dev/zram0");
	put(SWAPS, HEAD "/dev/dm-1 partition 1 0 -2\n/dev/sda3 partition 1 0 100\n");
	bad("swap_encrypted", "sda3");
	put(SWAPS, HEAD "/dev/sdz partition 1 0 -2\n");
	unread("swap_encrypted", ENOENT);
	put(SWAPS, HEAD "nonsense\n");
	unread("swap_encrypted", EBADMSG);
	put(SWAPS, HEAD "relative partition 1 0 -2\n");
	unread("swap_encrypted", EBADMSG);
	/* a file is as its filesystem is */
	put(SWAPS, HEAD "/swapfile file 1 0 -2\n");
	unread("swap_encrypted", ENOENT);
	put(SWAPS, HEAD);
	rig.lying = true;
	unread("swap_encrypted", EXDEV);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CLAIM_TEST(test_root),	     CLAIM_TEST(test_every_leg),
		CLAIM_TEST(test_partitions), CLAIM_TEST(test_what_cannot_be_told),
		CLAIM_TEST(test_two_roots),  CLAIM_TEST(test_swap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
