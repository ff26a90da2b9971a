-- Uses the language server as a person at the keyboard would. What was seen goes to the file that $SEEN names, as JSON.

local seen = {}

-- Waits, at most a minute: what does not come by then never will.
local function wait(what, holds)
  if vim.wait(60000, holds, 20) then return end
  error(what .. ' did not come: ' .. vim.fn.execute('messages'))
end

local function go_to(text)
  vim.cmd('normal! gg0')
  assert(vim.fn.search('\\V' .. text, 'cW') > 0, text .. ' is not in the file')
end

local function float()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    if vim.api.nvim_win_get_config(window).relative ~= '' then return window end
  end
end

local function main()
  seen.version = vim.fn.execute('version'):match('NVIM v([%d.]+)')
  local buffer = vim.api.nvim_get_current_buf()

  -- Findings.
  wait('diagnostics', function() return #vim.diagnostic.get(buffer) > 0 end)
  seen.codes, seen.sources = {}, {}
  for _, one in ipairs(vim.diagnostic.get(buffer)) do
    table.insert(seen.codes, one.code or one.user_data.lsp.code)
    table.insert(seen.sources, one.source)
  end

  -- What a port name is.
  go_to('metrics')
  vim.lsp.buf.hover()
  wait('hover', float)
  seen.hover = table.concat(vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(float()), 0, -1, false), '\n')
  vim.api.nvim_win_close(float(), true)

  -- Where it is defined, and back.
  go_to('metrics')
  vim.lsp.buf.definition()
  wait('definition', function() return vim.api.nvim_get_current_buf() ~= buffer end)
  seen.defined = { vim.fn.expand('%:t'), vim.fn.getline('.') }
  vim.api.nvim_set_current_buf(buffer)

  -- The fix of a finding, the first that is offered.
  vim.ui.select = function(items, options, choose)
    seen.offered = {}
    for _, item in ipairs(items) do
      local shown = options.format_item(item)
      table.insert(seen.offered, shown)
    end
    choose(items[1], 1)
  end
  go_to('egress:')
  local before = vim.api.nvim_buf_get_changedtick(buffer)
  vim.lsp.buf.code_action()
  wait('code action', function() return vim.api.nvim_buf_get_changedtick(buffer) ~= before end)
  seen.text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')

  -- The text that is not saved is looked at again.
  wait('diagnostics of the fixed text', function()
    for _, one in ipairs(vim.diagnostic.get(buffer)) do
      if (one.code or one.user_data.lsp.code) == 'PC607' then return false end
    end
    return true
  end)
end

local function finish()
  local file = assert(io.open(os.getenv('SEEN'), 'w'))
  file:write(vim.fn.json_encode(seen))
  file:close()
  vim.cmd('qall!')
end

vim.schedule(function()
  local fine, problem = pcall(main)
  if not fine then seen.missing = tostring(problem) end
  finish()
end)
