// Evaluates flags with the server SDK; prints what it got as one line of JSON for each line it reads.
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';
import { createInterface } from 'node:readline';
const headers = process.env.TOKEN ? [['Authorization', `Bearer ${process.env.TOKEN}`]] : [];
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: process.env.URL, headers }));
const client = OpenFeature.getClient();
const context = { targetingKey: 'u1', plan: 'gold' };
for await (const line of createInterface({ input: process.stdin })) {
  const details = {
    boolean: await client.getBooleanDetails('boolean', false, context),
    string: await client.getStringDetails('string', 'code', context),
    integer: await client.getNumberDetails('integer', 0, context),
    float: await client.getNumberDetails('float', 0, context),
    object: await client.getObjectDetails('object', {}, context),
    targeted: await client.getStringDetails('targeted', 'code', context),
    disabled: await client.getStringDetails('disabled', 'code', context),
    none: await client.getStringDetails('none', 'code', context),
    missing: await client.getStringDetails('missing', 'code', context),
    slash: await client.getStringDetails('with/slash ü', 'code', context),
  };
  console.log(JSON.stringify(details));
}
process.exit(0);
