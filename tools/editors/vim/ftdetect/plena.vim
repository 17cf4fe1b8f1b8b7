autocmd BufRead,BufNewFile *.plena setfiletype plena
