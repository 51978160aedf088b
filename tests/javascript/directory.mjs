// Walks through a directory with the SDK and prints what it saw as one line of JSON.
//
// PACKAGES is the folder whose node_modules holds the SDK; endpoint, region and keys come from the
// environment, as the SDK itself reads them.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.PACKAGES}/`);
const {
  WorkMailClient,
  CreateOrganizationCommand,
  CreateUserCommand,
  DescribeOrganizationCommand,
  DescribeUserCommand,
  EntityNotFoundException,
  RegisterToWorkMailCommand,
  paginateListUsers,
} = require("@aws-sdk/client-workmail");

const client = new WorkMailClient({ maxAttempts: 1 });
const call = (Command, input) => client.send(new Command(input));

// The SDK makes the ClientToken itself.
const { OrganizationId } = await call(CreateOrganizationCommand, { Alias: "demo" });
const { State } = await call(DescribeOrganizationCommand, { OrganizationId });

const names = ["ada", "grace", "joan"];
for (const Name of names) {
  const { UserId } = await call(CreateUserCommand, { OrganizationId, Name, DisplayName: "Élodie ✉" });
  await call(RegisterToWorkMailCommand, {
    OrganizationId,
    EntityId: UserId,
    Email: `${Name}@demo.test`,
  });
}

const pages = [];
for await (const page of paginateListUsers({ client, pageSize: 2 }, { OrganizationId })) {
  pages.push(page.Users.map((user) => user.Name));
}

const user = await call(DescribeUserCommand, { OrganizationId, UserId: "ada@demo.test" });
const refusal = await call(DescribeUserCommand, { OrganizationId, UserId: "nobody" }).catch(
  (error) => error,
);

console.log(
  JSON.stringify({
    state: State,
    pages,
    user: { state: user.State, display: user.DisplayName, city: user.City ?? null },
    enabledIsDate: user.EnabledDate instanceof Date && Date.now() - user.EnabledDate < 600_000,
    refusal: {
      modelled: refusal instanceof EntityNotFoundException,
      name: refusal.name,
      status: refusal.$metadata?.httpStatusCode,
      requestId: Boolean(refusal.$metadata?.requestId),
    },
  }),
);
