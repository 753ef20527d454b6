/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every key of the configuration, declared once. Defaults, checks, `agentctl config show`, the
 * references and the man page are all made from these two lists; after a change run
 * `make references`.
 *
 * KEY(section, name, field, type, form, unit, default, min, max, choices, restart, help)
 *
 * The default is written as in a file. min and max: a number's range, a string's bytes, a list's
 * items. A field's array must have room for max and one more; a test holds them together.
 */
#pragma once

/* clang-format off */
/* Keys that exist once: fields of struct config. */
#define CONFIG_NODE_KEYS(KEY)                                                                      \
    KEY(agent, instance_id, instance_id, STRING, DIMENSION, "", "\"\"", 0, 255, NULL, false,       \
        "What this node is called in /health, metrics and logs. Empty: the host's name.")          \
    KEY(agent, runtime_dir, runtime_dir, PATH, PATH, "", "\"/run/agentd\"", 1, 64, NULL, true,     \
        "Directory of the control socket and the workers' sockets. Kept short, because a socket's "\
        "path has at most 107 bytes.")                                                             \
    KEY(agent, state_dir, state_dir, PATH, PATH, "", "\"/var/lib/agentd\"", 1, 200, NULL, false,   \
        "Directory of what is kept over restarts.")                                                \
    KEY(agent, log_level, log_level, CHOICE, TEXT, "", "\"info\"", 3, 7,                           \
        "error|warning|notice|info|debug", false,                                                  \
        "Less important messages than this are not logged.")                                       \
    KEY(agent, core_silence, core_silence_s, UINT, TEXT, "s", "10", 3, 300, NULL, false,           \
        "A core process that says nothing for so long is replaced; the workers serve on. It "      \
        "speaks each second.")                                                                     \
                                                                                                   \
    KEY(health, listen, health_listen, LISTEN, ADDRESS, "", "\"[::]:8081\"", 1, 107, NULL, true,   \
        "Where /health and /live answer: the load balancer's health-check port.")                  \
    KEY(health, lame_duck, lame_duck_s, UINT, TEXT, "s", "12", 0, 300, NULL, false,                \
        "When the node leaves, it goes on serving for so long after /health has begun to say 503, "\
        "so that the load balancer sees it first.")                                                \
                                                                                                   \
    KEY(control, group, control_group, STRING, ACCOUNT, "", "\"\"", 0, 31, NULL, true,             \
        "Members of this group may read over the control socket (agentctl status). Empty: the "    \
        "agent's own group.")                                                                      \
    KEY(control, admin_group, admin_group, STRING, ACCOUNT, "", "\"\"", 0, 31, NULL, false,        \
        "Members of this group may also change things (agentctl restart). Empty: root "           \
        "only.")                                                                                   \
                                                                                                   \
    KEY(observe, sample_ms, sample_ms, UINT, TEXT, "ms", "1000", 100, 10000, NULL, false,          \
        "How often the node and the workers are measured.")                                        \
    KEY(observe, window, window_s, UINT, TEXT, "s", "10", 10, 60, "10|60", false,                  \
        "Samples are summed up in windows of this length, which begin at multiples of it on the "  \
        "wall clock.")                                                                             \
    KEY(observe, disk_path, disk_path, PATH, PATH, "", "\"/\"", 1, 255, NULL, false,               \
        "DiskUtilization is that of the file system that holds this path.")                        \
                                                                                                   \
    KEY(publish, sink, sink, CHOICE, TEXT, "", "\"file\"", 0, 2, "none|file|cloudwatch", false,    \
        "Where metrics go: \"cloudwatch\" sends them with PutMetricData, \"file\" writes each "    \
        "window as a line of JSON, \"none\" publishes nothing.")                                  \
    KEY(publish, file, publish_file, PATH, PATH, "", "\"\"", 0, 255, NULL, false,                  \
        "File of the sink \"file\". Empty: metrics.jsonl in agent.state_dir.")                     \
    KEY(publish, namespace, namespace_, STRING, NAMESPACE, "", "\"agentd\"", 1, 255, NULL, false,  \
        "CloudWatch namespace of the metrics.")                                                    \
    KEY(publish, asg_name, asg_name, STRING, DIMENSION, "", "\"\"", 0, 255, NULL, false,           \
        "Value of the dimension AutoScalingGroupName. Empty: found out, see publish.asg_lookup.")  \
    KEY(publish, asg_lookup, asg_lookup, BOOL, TEXT, "", "true", 0, 1, NULL, false,                \
        "With the sink \"cloudwatch\" and no publish.asg_name: asks the instance's tags in IMDS, "  \
        "then Auto Scaling (DescribeAutoScalingInstances), for the group's name, and keeps data "  \
        "until it is known. false: this node is in no group.")                                     \
    KEY(publish, per_instance, per_instance, BOOL, TEXT, "", "false", 0, 1, NULL, false,           \
        "Publishes each metric also with the dimension InstanceId. Each instance then costs its "  \
        "own set of CloudWatch metrics.")                                                          \
    KEY(publish, region, region, STRING, REGION, "", "\"\"", 0, 31, NULL, false,                   \
        "AWS Region that metrics go to. Empty: AWS_REGION of the environment, else the "           \
        "instance's own.")                                                                         \
    KEY(publish, endpoint, endpoint, STRING, URL, "", "\"\"", 0, 255, NULL, false,                 \
        "URL of CloudWatch, for a VPC endpoint or a test. Empty: AWS_ENDPOINT_URL_CLOUDWATCH or "  \
        "AWS_ENDPOINT_URL of the environment, else the Region's.")                                 \
    KEY(publish, flush, flush_s, UINT, TEXT, "s", "0", 0, 3600, NULL, false,                       \
        "How often closed windows are sent. 0: at each window's end while the CPU nears "          \
        "publish.scaling_target or jumps, else once a minute. N: every N seconds.")                \
    KEY(publish, scaling_target, scaling_target_percent, UINT, TEXT, "%", "50", 1, 100, NULL,      \
        false,                                                                                     \
        "The CPU utilisation that the Auto Scaling group's policy aims at. From 10 points below "  \
        "it upwards, windows are sent at once.")                                                   \
    KEY(publish, spool_dir, spool_dir, PATH, PATH, "", "\"\"", 0, 255, NULL, true,                 \
        "Directory of the windows that CloudWatch doesn't have yet. Empty: spool in "              \
        "agent.state_dir.")                                                                        \
    KEY(publish, spool_limit, spool_limit_mib, UINT, TEXT, "MiB", "128", 1, 65536, NULL, true,     \
        "Size of the spool. Above it the oldest windows are dropped, counted and logged. 128 MiB " \
        "hold about two weeks of 10 s windows.")                                                   \
    KEY(publish, spool_age, spool_age_h, UINT, TEXT, "h", "336", 1, 336, NULL, true,               \
        "Older windows are dropped: CloudWatch takes none of more than two weeks.")                \
    KEY(publish, stop_timeout, publish_stop_s, UINT, TEXT, "s", "5", 0, 60, NULL, false,           \
        "When agentd stops, it takes up to so long to send what waits. What is left stays in the " \
        "spool.")                                                                                  \
                                                                                                   \
    KEY(statsd, listen, statsd_listen, LIST, ADDRESS, "", "[]", 0, STATSD_LISTENERS_MAX, NULL,     \
        true,                                                                                      \
        "Datagram sockets for StatsD metrics of the apps: \"127.0.0.1:8125\", or the path of a "   \
        "unix socket. Empty: none.")                                                               \
    KEY(statsd, dimensions, statsd_dimensions, LIST, DIMENSION, "", "[]", 0,                       \
        STATSD_DIMENSIONS_MAX, NULL, false,                                                        \
        "Names of the tags that become dimensions. Other tags are dropped, and counted.")          \
    KEY(statsd, series_max, statsd_series_max, UINT, TEXT, "", "500", 1, 10000, NULL, false,       \
        "How many StatsD series there may be; each is a CloudWatch metric and costs as one. "      \
        "Lines of more are refused, and counted.")                                                 \
                                                                                                   \
    KEY(prometheus, listen, prometheus_listen, LISTEN, ADDRESS, "", "\"\"", 0, 107, NULL, true,    \
        "Where /metrics answers Prometheus, besides the control socket. Empty: nowhere else.")     \
                                                                                                   \
    KEY(stress, enabled, stress_enabled, BOOL, TEXT, "", "true", 0, 1, NULL, false,                \
        "false: agentctl stress on is refused.")                                                   \
    KEY(stress, max_seconds, stress_max_s, UINT, TEXT, "s", "3600", 1, 86400, NULL, false,         \
        "The longest stress that may be asked for.")                                               \
    KEY(stress, latency_ms, stress_latency_ms, UINT, TEXT, "ms", "1000", 0, 60000, NULL, false,    \
        "An app whose 99th percentile of latency is over this in two intervals of 5 s in a row "   \
        "ends a stress, and none begins. 0: never.")                                               \
    KEY(stress, steal_percent, stress_steal_percent, UINT, TEXT, "%", "20", 0, 100, NULL, false,   \
        "The same of CPUSteal's average: the CPU credits are spent, or the host is crowded. "      \
        "0: never.")

/* Keys of each app: fields of struct config_app. */
#define CONFIG_APP_KEYS(KEY)                                                                       \
    KEY(apps, enabled, enabled, BOOL, TEXT, "", "true", 0, 1, NULL, false,                         \
        "false: the app is configured but not run.")                                               \
    KEY(apps, command, command, LIST, ARGUMENT, "", "[]", 0, CONFIG_ARGS_MAX, NULL, false,         \
        "Program and arguments, as a list; no shell reads it. An enabled app must have one.")      \
    KEY(apps, environment, environment, LIST, VARIABLE, "", "[]", 0, CONFIG_ENV_MAX, NULL, false,  \
        "Added to the workers' environment, each as NAME=value. Over the control socket only who " \
        "may also change things sees the values.")                                                 \
    KEY(apps, directory, directory, PATH, PATH, "", "\"\"", 0, 255, NULL, false,                   \
        "Working directory. Empty: /.")                                                            \
    KEY(apps, user, user, STRING, ACCOUNT, "", "\"\"", 0, 31, NULL, false,                         \
        "User that the workers run as, but not root unless the agent is root or has CAP_KILL. "    \
        "Empty: the agent's own.")                                                                 \
    KEY(apps, group, group, STRING, ACCOUNT, "", "\"\"", 0, 31, NULL, false,                       \
        "Group that the workers run as. Empty: the user's primary group.")                         \
    KEY(apps, listen, listen, LIST, ADDRESS, "", "[ \"8080\" ]", 0, APP_LISTENERS_MAX, NULL, true, \
        "Listening sockets, opened by agentd and shared by all the app's workers.")                \
    KEY(apps, workers, workers, UINT, TEXT, "", "0", 0, WORKERS_MAX, NULL, false,                  \
        "How many worker processes run. 0: one for each CPU.")                                     \
    KEY(apps, ready_timeout, ready_timeout_s, UINT, TEXT, "s", "30", 1, 3600, NULL, false,         \
        "A worker that is not ready so long after its start is killed and started again.")         \
    KEY(apps, drain_timeout, drain_timeout_s, UINT, TEXT, "s", "30", 0, 3600, NULL, false,         \
        "Time that a stopping worker has for requests in flight.")                                 \
    KEY(apps, idle_timeout, idle_timeout_s, UINT, TEXT, "s", "65", 0, 3600, NULL, false,           \
        "Time after which a stopping worker closes idle kept-alive connections. Longer than the "  \
        "load balancer's own idle timeout (60 s for an ALB), so that it never meets a closed one.")\
    KEY(apps, scoreboard, scoreboard, BOOL, TEXT, "", "true", 0, 1, NULL, false,                   \
        "Hands each worker a scoreboard, in which it counts its requests. Programs that know "     \
        "nothing of it are not disturbed.")                                                        \
    KEY(apps, readiness, readiness, CHOICE, TEXT, "", "\"notify\"", 0, 1, "notify|delay", false,   \
        "When a started worker counts as ready: \"notify\" is when it has said READY=1 "           \
        "(sd_notify(3)), \"delay\" when it has lived for ready_delay, for programs that don't "    \
        "say it.")                                                                                 \
    KEY(apps, ready_delay, ready_delay_s, UINT, TEXT, "s", "1", 0, 3600, NULL, false,              \
        "How long a worker must have lived, with readiness = \"delay\". Shorter than "             \
        "ready_timeout.")                                                                          \
    KEY(apps, watchdog, watchdog_s, UINT, TEXT, "s", "0", 0, 3600, NULL, false,                    \
        "A ready worker that has not said WATCHDOG=1 for so long is hung: it gets SIGABRT, 5 "     \
        "s later SIGKILL, and is replaced. Workers find the time in WATCHDOG_USEC "                \
        "(sd_watchdog_enabled(3)). 0: nothing is expected of them.")                               \
    KEY(apps, probe, probe, CHOICE, TEXT, "", "\"none\"", 0, 2, "none|private|http", false,        \
        "\"private\" asks each worker on a unix socket of its own, which it gets as a listener "   \
        "named \"probe\"; one that fails is hung, as with the watchdog. \"http\" asks the app at " \
        "its first address: whoever answers, so failures make the app \"degraded\" and end no "    \
        "worker.")                                                                                 \
    KEY(apps, probe_path, probe_path, STRING, TARGET, "", "\"/health\"", 1, 255, NULL, false,      \
        "What a probe asks for. A status of 200 to 399 passes. With \"private\" it must tell of"   \
        " the worker only: a database's outage would end all of them.")                            \
    KEY(apps, probe_interval, probe_interval_s, UINT, TEXT, "s", "5", 1, 3600, NULL, false,        \
        "Time between two probes.")                                                                \
    KEY(apps, probe_timeout, probe_timeout_s, UINT, TEXT, "s", "2", 1, 60, NULL, false,            \
        "Time that a probe's whole answer may take.")                                              \
    KEY(apps, probe_failures, probe_failures, UINT, TEXT, "", "3", 1, 100, NULL, false,            \
        "So many failed probes in a row are the verdict.")                                         \
    KEY(apps, memory_max, memory_max_mib, UINT, TEXT, "MiB", "0", 0, 16777216, NULL, false,        \
        "Memory of each worker. With control groups the kernel ends one that needs more "          \
        "(memory.max); without them one that is seen in /proc to have more is replaced, a new "    \
        "one first. 0: no limit.")                                                                 \
    KEY(apps, cpu_weight, cpu_weight, UINT, TEXT, "", "0", 0, 10000, NULL, false,                  \
        "Each worker's share of the CPU against the node's other workers while there is not "      \
        "enough (cpu.weight; control groups only). 0: the kernel's default, 100.")                 \
    KEY(apps, pids_max, pids_max, UINT, TEXT, "", "0", 0, 4194304, NULL, false,                    \
        "How many processes and threads each worker may have, itself included (pids.max; "         \
        "control groups only). 0: no limit.")
/* clang-format on */
