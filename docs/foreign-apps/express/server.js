// SPDX-License-Identifier: Apache-2.0
// An Express app under agentd: it listens on the descriptor that it was handed, ends by itself on
// SIGTERM, and counts its requests by StatsD.
'use strict';

const dgram = require('dgram');
const express = require('express');

const app = express();
const { LISTEN_FDS, PORT, STATSD_HOST, STATSD_PORT } = process.env;

if (STATSD_HOST) {
  const socket = dgram.createSocket('udp4').unref();
  socket.on('error', () => {}); // metrics must not end the app
  app.use((request, response, next) => {
    const begun = process.hrtime.bigint();
    response.on('finish', () => {
      const milliseconds = Number(process.hrtime.bigint() - begun) / 1e6;
      socket.send(`express.requests:1|c\nexpress.latency:${milliseconds}|ms`, STATSD_PORT, STATSD_HOST);
    });
    next();
  });
}

app.get('/', (request, response) => response.send(`Hello from Express, process ${process.pid}\n`));
app.get('/busy/:milliseconds', (request, response) => {
  setTimeout(() => response.send('done\n'), Math.min(Number(request.params.milliseconds), 5000));
});

// The first descriptor that systemd or agentd hands over is always 3.
const server = LISTEN_FDS ? app.listen({ fd: 3 }) : app.listen(PORT || 3000);

process.on('SIGTERM', () => {
  // No connection more; those in use are served to their end.
  server.close(() => process.exit(0));
});
