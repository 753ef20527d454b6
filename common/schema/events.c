/* SPDX-License-Identifier: Apache-2.0 */
/* The table. See the header. */
#include "common/schema/events.h"

#include <string.h>

const struct event_entry event_entries[] = {
    {"app-probe-failed", "10c6e9ad77224277931ec0c08bcd9fc8", "An app no longer answers its probes",
     "The app @APP@ failed its probes at its own address in a row and counts as "
     "degraded: /health tells. No worker is ended, for who answered is unknown.\n"
     "Look at the app itself: agentctl logs @APP@."},
    {"config-refused", "e7b801b0a99643d297ea54e576d70448", "A new configuration is refused",
     "agentd goes on with the one that it has. The message names file, line and key.\n"
     "Mend it, check it with agentctl config check, then agentctl reload --wait."},
    {"core-replaced", "d9e3c555f22344b4b9fa49cfb9b7048c", "agentd-core was replaced",
     "It died or said nothing for too long. Requests and workers are not touched, "
     "totals go on.\n"
     "If this comes again and again, keep its last lines: journalctl -u agentd -t "
     "agentd."},
    {"crash-loop", "1a0f4368a43a4145aa41b64db82d32e5", "A worker dies again and again",
     "A worker of @APP@ is started anew with growing pauses, for ever. The other "
     "workers serve on.\n"
     "Its last lines say why: agentctl events --verbose. When the program or its "
     "configuration is mended: agentctl reload --wait."},
    {"node-drained", "faa1c372a3224f64bf8cc55cc7a98be5", "The node is out of service",
     "It was drained by hand: /health says 503, the workers serve on. Back into "
     "service: agentctl undrain."},
    {"publish-failed", "54fa03fe9335462ca656db60eca3c600", "Metrics can't be sent to CloudWatch",
     "They are kept on disk and sent later, within publish.spool_limit and "
     "publish.spool_age.\n"
     "The message says what the matter is: network, credentials or permissions "
     "(cloudwatch:PutMetricData). agentctl status shows what waits."},
    {"publish-refused", "add738a33df34039b6479401bb54b3e1",
     "CloudWatch refuses a window of metrics",
     "What is refused is sent in smaller parts; what is never taken is dropped and "
     "counted."},
    {"reload-failed", "35da22e43c004e0fbcf03dd0036c36e0", "A reload failed",
     "A worker of the new configuration died, was late or failed its probe. The old "
     "workers that are left serve on; the configuration stays the new one.\n"
     "Mend what the message says and reload again: agentctl reload --wait."},
    {"restart-failed", "f0073cb3c2844447a053a83b3f02b104", "A restart of workers failed",
     "A new worker of @APP@ died, was late or failed its probe, so the old ones that "
     "are left serve on. Its last lines: agentctl events --verbose."},
    {"scoreboard-bad", "20f7d792fe104813af6cfbce3be5b1c0",
     "A worker wrote nonsense into its scoreboard",
     "Its requests are not counted from here on. A program that uses AGENTD_SCOREBOARD "
     "must write as common/base/scoreboard.h says."},
    {"spool-dropped", "b21018b282854e97a6760fd44ca48aca", "Windows of metrics were dropped",
     "They waited for longer than publish.spool_age, or more waited than "
     "publish.spool_limit takes. They are counted; what was sent before stays."},
    {"spool-in-memory", "4eaedda33813434ba51d96d87a2a494e",
     "Metrics that wait are kept in memory only",
     "The spool's directory can't be written, so what waits is lost when agentd ends. "
     "Look at the disk and at publish.spool_dir."},
    {"upgrade-failed", "132e22f2ec7e43bbbd1fb18b6d8b21e7", "An upgrade of agentd failed",
     "The version that ran before goes on, with the same workers. The message says "
     "why; agentctl upgrade --wait tries again."},
    {"upgrade-refused", "266d643244704da3bb777932a3e4feec", "An upgrade of agentd is refused",
     "The installed version says that it could not go on as the running one: nothing "
     "has changed. The message says why; agentctl upgrade --wait tries again."},
    {"worker-died", "50cee50084fa44f89809744461a236b2", "A worker died",
     "Worker @SLOT@ of @APP@, process @WORKER_PID@, ended unasked. The requests inside "
     "it are lost, the others serve on, and a new one is started.\n"
     "Its last lines: agentctl events --verbose, or journalctl -t @APP@.@SLOT@."},
    {"worker-hung", "a965d8775b314d9188b19e8618a37096", "A worker hangs",
     "Worker @SLOT@ of @APP@ said no WATCHDOG=1 in time or failed its probes in a row. "
     "It is ended by SIGABRT, so that a core dump shows where it stood, and replaced."},
    {"worker-late", "b99c5e5bb8fe41eba459b51959d599f4", "A worker was not ready in time",
     "Worker @SLOT@ of @APP@ did not say READY=1 within ready_timeout, or did not end "
     "within drain_timeout. It is ended; a new one is tried with a pause."},
    {"worker-over-limit", "bdad7d5e84254e4cba8dc7d80e17db54", "A worker is over its memory limit",
     "Worker @SLOT@ of @APP@ has more than memory_max: a new one is started first, "
     "then it drains. It leaks, or the limit is too low."},
    {"worker-refused", "f9e9e50d29eb4ffa958d79ac7190defb", "A worker can't be started",
     "Program, user, directory or listener of @APP@ are not as its configuration says; "
     "the message names what is wrong."},
    {NULL, NULL, NULL, NULL},
};

const struct event_entry *event_find(const char *name)
{
    for (const struct event_entry *entry = event_entries; entry->name; entry++)
        if (strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}
