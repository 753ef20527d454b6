// SPDX-License-Identifier: Apache-2.0
// Reads templates as aws-cdk-lib's CfnInclude does and synthesizes them: `synth.js TEMPLATE...` prints {TEMPLATE: {template,
// messages}}. `synth.js --metrics` prints what AWS publishes as far as aws-cdk-lib knows: [[namespace, name, [dimension...]]...].
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');

function synthesize(file) {
  const { App, DefaultStackSynthesizer, Stack } = require('aws-cdk-lib');
  const { CfnInclude } = require('aws-cdk-lib/cloudformation-include');
  const outdir = fs.mkdtempSync(path.join(os.tmpdir(), 'synth-'));
  try {
    const app = new App({ outdir, analyticsReporting: false });
    const synthesizer = new DefaultStackSynthesizer({ generateBootstrapVersionRule: false });
    const stack = new Stack(app, 'Stack', { synthesizer });
    new CfnInclude(stack, 'Template', { templateFile: file });
    const artifact = app.synth({ validateOnSynthesis: true }).getStackByName('Stack');
    return { template: artifact.template, messages: artifact.messages.map((message) => String(message.entry.data)) };
  } finally {
    fs.rmSync(outdir, { recursive: true });
  }
}

// A method of the canned metrics takes any dimensions; which ones it is for is in its declaration.
function metrics() {
  const found = [];
  for (const service of ['ec2', 'autoscaling', 'elasticloadbalancingv2', 'dynamodb']) {
    const base = path.join(path.dirname(require.resolve('aws-cdk-lib')), `aws-${service}`, 'lib', `${service}-canned-metrics.generated`);
    const library = require(`${base}.js`);
    let owner;
    const declaration = /export declare class (\w+)|static (\w+)\(this: void, dimensions: \{([^}]*)\}/g;
    for (const match of fs.readFileSync(`${base}.d.ts`, 'utf8').matchAll(declaration)) {
      if (match[1]) {
        owner = match[1];
        continue;
      }
      const dimensions = [...match[3].matchAll(/(\w+): string/g)].map((dimension) => dimension[1]);
      const metric = library[owner][match[2]](Object.fromEntries(dimensions.map((name) => [name, 'x'])));
      found.push([metric.namespace, metric.metricName, dimensions]);
    }
  }
  return found;
}

const names = process.argv.slice(2);
const result = names[0] === '--metrics' ? metrics() : Object.fromEntries(names.map((name) => [name, synthesize(name)]));
process.stdout.write(JSON.stringify(result));
