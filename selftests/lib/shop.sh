# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The shop of tools/demo.sh: a real nginx and a real redis on the host "shop", each in a cgroup of its
# own, and how they are asked. Sourced after host.sh, by the demo and by tests of its traffic.
#
#	shop_begin             both start and answer; their pids are in $shop_nginx and $shop_redis
#	ping_cache CGROUP      PONG, from there, in at most 3 s
#	fetch URL              from outside, in at most 2 s

shop_web=system.slice/nginx.service
shop_cache=system.slice/redis.service
shop_report=system.slice/report.service
shop_addr=10.77.0.1

ping_cache() {
	unit shop "$1" timeout 3 redis-cli -h $shop_addr PING 2>&1 | head -n 1
}

fetch() {
	on outside curl -gsS -m 2 "$1" 2>&1
}

shop_nginx_conf() { # directory
	cat <<CONF
daemon off;
user root;
worker_processes 1;
pid $1/nginx.pid;
error_log $1/nginx.log;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path $1/body;
	proxy_temp_path $1/proxy;
	fastcgi_temp_path $1/fastcgi;
	uwsgi_temp_path $1/uwsgi;
	scgi_temp_path $1/scgi;
	server {
		listen 8080;
		listen [::]:8080;
		location / { return 200 "welcome to the shop\n"; }
	}
}
CONF
}

shop_pongs() {
	[ "$(ping_cache $shop_web)" = PONG ]
}

# What they said is told where one does not start.
shop_begin() {
	local dir=$SCOPE_DIR/services
	mkdir -p "$dir"
	chmod 755 "$SCOPE_DIR" "$dir"
	shop_nginx_conf "$dir" > "$dir/nginx.conf"
	spawn "$dir/nginx.out" shop $shop_web nginx -c "$dir/nginx.conf"
	shop_nginx=$REPLY
	spawn "$dir/redis.out" shop $shop_cache redis-server --bind 0.0.0.0 :: --port 6379 \
		--protected-mode no --save '' --appendonly no --dir "$dir"
	shop_redis=$REPLY
	wait_for 10 shop_pongs || { echo "redis did not start: $(tail -n 3 "$dir/redis.out")"; return 1; }
	wait_for 10 fetch "http://$shop_addr:8080/" ||
		{ echo "nginx did not start: $(tail -n 3 "$dir"/nginx.*)"; return 1; }
}
